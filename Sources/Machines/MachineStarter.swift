package import GuestBoot
package import HostNetwork
package import Images
import LinuxHost
package import NIOCore
import SystemPackage
package import VMM

/// Cold boots: image and slot in, a machine whose app listens out. Whatever fails, nothing of the attempt is left.
package struct MachineStarter: Sendable {
    package let records: MachineRecords
    package let monitor: any VMMonitor
    package let kernel: GuestKernel
    package let group: any EventLoopGroup
    package let tag: NetworkTag

    package init(
        records: MachineRecords, monitor: any VMMonitor, kernel: GuestKernel, group: any EventLoopGroup, tag: NetworkTag
    ) {
        self.records = records
        self.monitor = monitor
        self.kernel = kernel
        self.group = group
        self.tag = tag
    }

    /// What one start needs besides the starter itself.
    package struct Request: Sendable {
        package var spec: MachineSpec
        package var image: StoredImage
        package var name: MachineName?
        package var owner: MachineRecord.Owner
        package var slot: Slot
        /// From the boot to the app's first listening socket.
        package var timeout: Duration
        /// Spent before the start: on the image and on the slot.
        package var phases: StartPhases
        /// Whether the machine is started to be captured.
        package var isTemplate = false
        /// Whether the machine is the starter's own and goes with it.
        package var isTransient = false
        /// The snapshot that the machine is made of, for its record.
        package var snapshot: String?
        /// Where the slot goes when the machine is gone; nil: with its last user.
        package var slotReturn: SlotReturn?

        package init(
            spec: MachineSpec, image: StoredImage, name: MachineName?, owner: MachineRecord.Owner, slot: Slot,
            timeout: Duration, phases: StartPhases
        ) {
            self.spec = spec
            self.image = image
            self.name = name
            self.owner = owner
            self.slot = slot
            self.timeout = timeout
            self.phases = phases
        }
    }

    /// Boots a machine and waits until its app is ready. Cancelling it ends the start and cleans up.
    package func start(_ request: Request) async throws(MachineError) -> (machine: Machine, record: MachineRecord) {
        var record = try await newRecord(for: request)
        CrashPoint.recordWritten.reach()
        let phases: StartPhases
        let machine: Machine
        do throws(MachineError) {
            (machine, phases) = try await boot(request, record)
        } catch {
            await discard(record, request.slotReturn)
            throw error
        }
        record.state = .running
        record.phases = phases
        record.process = machine.vm.process
        do throws(MachineError) {
            let (final, records) = (record, records)
            try await BlockingPool.run { () throws(MachineError) in try records.write(final) }
        } catch {
            await machine.destroy()
            throw error
        }
        CrashPoint.recordFinal.reach()
        return (machine, record)
    }

    func newRecord(for request: Request) async throws(MachineError) -> MachineRecord {
        let (records, monitor) = (records, monitor)
        return try await BlockingPool.run { () throws(MachineError) in
            try records.create(request, vmm: monitor.kind, isolation: monitor.isolation)
        }
    }

    private func boot(_ request: Request, _ record: MachineRecord) async throws(MachineError) -> (Machine, StartPhases)
    {
        var phases = request.phases
        let clock = Stopwatch()
        let configuration = try await prepare(request, record)
        let vm: any VirtualMachine
        do { vm = try await monitor.launch(configuration) } catch { throw .vmm(error) }
        CrashPoint.monitorLaunched.reach()
        phases.vmm = clock.lap()
        do throws(MachineError) {
            let waiting = StartWait(
                vm: vm, slot: request.slot, loop: group.any(), appPort: request.spec.appPort, timeout: request.timeout,
                folder: configuration.directory)
            let (agent, kernelTime, appTime) = try await waiting.untilReady()
            CrashPoint.appReady.reach()
            phases.kernel = kernelTime
            phases.app = appTime
            let machine = Machine(
                record, slot: request.slot, vm: vm, agent: agent, records: records, slotReturn: request.slotReturn)
            return (machine, phases)
        } catch {
            await vm.destroy()
            throw error
        }
    }

    /// Everything the VMM opens: initramfs with the run configuration, scratch disk, words for the kernel.
    private func prepare(_ request: Request, _ record: MachineRecord) async throws(MachineError) -> VMConfiguration {
        let run = try GuestConfiguration.make(
            spec: request.spec, image: request.image, name: record.name)
        let (records, kernel, tag) = (records, kernel, tag)
        return try await BlockingPool.run { () throws(MachineError) in
            let folder = records.folder(of: record.id)
            let initramfs = folder.appending("initramfs")
            do throws(GuestBootError) {
                let base = try Initramfs.base(for: kernel, state: records.state)
                try Initramfs.write(base: base, runConfiguration: run, to: initramfs)
                CrashPoint.initramfsWritten.reach()
            } catch {
                throw .guestBoot(error)
            }
            let scratch = try request.spec.disk.map { size throws(MachineError) in
                try makeScratch(folder.appending("scratch.ext4"), size, owner: record.userID)
            }
            var configuration = VMConfiguration(
                id: record.id.text, directory: folder, kernel: kernel.image, initramfs: initramfs,
                commandLine: commandLine(request.spec),
                vcpus: request.spec.vcpus, memory: request.spec.memory, rootDisk: request.image.rootfs,
                scratchDisk: scratch, network: NetworkAttachment(request.slot), cgroupParent: tag.cgroupParent,
                userID: record.userID)
            configuration.isTemplate = request.isTemplate
            return configuration
        }
    }

    /// The one file that the VMM's unprivileged user writes.
    private func makeScratch(_ path: FilePath, _ size: MemorySize, owner: UInt32) throws(MachineError) -> FilePath {
        do throws(ImageError) { try ScratchDisk.make(at: path, size: size) } catch { throw .image(error) }
        do throws(HostError) { try Files.give(path, to: owner) } catch { throw .host(error) }
        CrashPoint.scratchMade.reach()
        return path
    }

    private func commandLine(_ spec: MachineSpec) -> String {
        let words =
            switch monitor.kind {
            case .qemu: KernelCommandLine.qemu(tscKilohertz: TimeStampCounter.kilohertz)
            // PID 1 says on the console how the app ended, for whoever looks after the VMM is gone.
            case .firecracker: KernelCommandLine.firecracker(console: true)
            }
        // The run configuration says the same; a guest without our PID 1 has only this.
        return (words + (spec.appPort.map { ["fcctl.port=\($0)"] } ?? [])).joined(separator: " ")
    }

    func discard(_ record: MachineRecord, _ slotReturn: SlotReturn?) async {
        let sweep = MachineSweep(records: records, monitors: [monitor], tag: tag)
        await sweep.remove(record)
        if let slotReturn { await BlockingPool.run { slotReturn() } }
    }
}

extension NetworkAttachment {
    init(_ slot: Slot) {
        self.init(
            namespace: slot.namespace.descriptor.rawValue, tapName: SlotAddresses.tap,
            guestMAC: "\(SlotAddresses.guestMAC)",
            openTap: { () throws(HostError) in
                do { return try slot.openTap() } catch {
                    throw HostError("attach to the TAP of slot", "\(error)", .ioError)
                }
            })
    }
}

/// Milliseconds between two points of a start.
struct Stopwatch {
    private let origin = ContinuousClock.now

    /// Milliseconds since the stopwatch was made.
    func lap() -> Double { (ContinuousClock.now - origin) / .milliseconds(1) }
}
