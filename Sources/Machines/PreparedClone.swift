import GuestBoot
import HostNetwork
import Images
import LinuxHost
import NIOConcurrencyHelpers
import NIOCore
package import Snapshots
import SystemPackage
import VMM

/// A clone that lacks nothing but the order to run: its slot, its record and a VMM that waits.
package final class PreparedClone: Sendable {
    package let snapshot: Snapshot
    package let record: MachineRecord
    private let slot: Slot
    private let slotReturn: SlotReturn?
    private let vmm: any PreparedMachine
    private let starter: MachineStarter
    /// What the clone has become ahead of need, paused.
    private let asleep = NIOLockedValueBox<Started?>(nil)

    package typealias Started = (machine: Machine, record: MachineRecord)

    init(
        snapshot: Snapshot, record: MachineRecord, request: MachineStarter.Request, vmm: any PreparedMachine,
        starter: MachineStarter
    ) {
        self.snapshot = snapshot
        self.record = record
        slot = request.slot
        slotReturn = request.slotReturn
        self.vmm = vmm
        self.starter = starter
    }

    package var isUsable: Bool { !vmm.hasEnded }
    package var hasRehearsed: Bool { asleep.withLockedValue { $0 != nil } }

    /// Restores the clone ahead of need, tells its app, lets it answer inert requests and pauses it: for a VMM whose
    /// first execution of anything is dear. `restore` only wakes it then. Whatever fails, the clone is gone.
    package func rehearse(_ hooks: SnapshotHooks) async throws(MachineError) {
        let (machine, record) = try await restore()
        do throws(MachineError) {
            let port = record.appPort ?? 0
            try await hooks.afterRestore(slot, port: port)
            for _ in 0..<hooks.warmUps {
                try await hooks.check(slot, port: port, expected: snapshot.manifest.answer)
            }
            await machine.settle()
            try await machine.pause()
            CrashPoint.cloneRehearsed.reach()
        } catch {
            await machine.destroy()
            throw error
        }
        asleep.withLockedValue { $0 = (machine, record) }
    }

    /// Makes the clone run and unlike its siblings: when this returns it has the time, a random number generator and a
    /// host name of its own, and its app listens. `forRequest`: there is a connection to the app, too.
    /// Whatever fails, the clone is gone.
    package func restore(forRequest: Bool = false) async throws(MachineError) -> Started {
        if let started = takeAsleep() { return try await wake(started, forRequest) }
        var record = record
        var phases = StartPhases()
        let clock = Stopwatch()
        do throws(MachineError) {
            let first = FirstConnection()
            let (vm, (agent, distance)): (any VirtualMachine, (AgentConnection, Duration))
            if let restoreNow = vmm.restoreNow {
                (vm, (agent, distance), phases.vmm) = try await BlockingPool.runPromptly { () throws(MachineError) in
                    let vm: any VirtualMachine
                    do throws(VMMError) { vm = try restoreNow() } catch { throw .vmm(error) }
                    let loaded = clock.lap()
                    CrashPoint.cloneRestored.reach()
                    return (vm, try self.meet(connecting: forRequest ? first : nil), loaded)
                }
            } else {
                do throws(VMMError) { vm = try await vmm.restore() } catch { throw .vmm(error) }
                phases.vmm = clock.lap()
                CrashPoint.cloneRestored.reach()
                (agent, distance) = try await BlockingPool.runPromptly { () throws(MachineError) in
                    try self.meet(connecting: forRequest ? first : nil)
                }
            }
            try await correctClock(agent, distance)
            CrashPoint.cloneRenewed.reach()
            phases.app = clock.lap() - phases.vmm
            record.state = .running
            record.phases = phases
            let machine = Machine(
                record, slot: slot, vm: vm, agent: agent, records: starter.records, first: first,
                slotReturn: slotReturn)
            return (machine, record)
        } catch {
            await destroy()
            throw error
        }
    }

    private func takeAsleep() -> Started? {
        asleep.withLockedValue { asleep in
            defer { asleep = nil }
            return asleep
        }
    }

    private func wake(_ started: Started, _ forRequest: Bool) async throws(MachineError) -> Started {
        let clock = Stopwatch()
        do throws(MachineError) {
            try await started.machine.resume(forRequest: forRequest)
            CrashPoint.cloneWoken.reach()
        } catch {
            await started.machine.destroy()
            throw error
        }
        var record = started.record
        record.phases = StartPhases()
        record.phases?.vmm = clock.lap()
        return (started.machine, record)
    }

    /// Both connections are made at once, and the handshake is held by the thread that made them: each way to another
    /// thread and back would cost as much as the guest's answer.
    private func meet(
        connecting first: FirstConnection?
    ) throws(MachineError) -> (agent: AgentConnection, distance: Duration) {
        let asked = ContinuousClock.now
        let deadline = asked + .seconds(5)
        // An app that refuses will say so to the request.
        let app = first == nil ? nil : try? slot.beginConnecting(port: record.appPort ?? 0)
        let socket: OwnedDescriptor
        do throws(HostNetworkError) {
            socket = try slot.connect(port: AgentProtocol.port, deadline: deadline)
        } catch {
            throw .template("the clone's agent cannot be reached: \(error)")
        }
        let agent = try Self.greet(socket, record, starter.group.any())
        let distance = ContinuousClock.now - asked
        if let connection = try? app?.finish(by: deadline) { first?.keep(connection) }
        return (agent, distance)
    }

    /// The time is as wrong as the way to the guest was long, and under emulation the first way is.
    private func correctClock(_ agent: AgentConnection, _ distance: Duration) async throws(MachineError) {
        var distance = distance
        for _ in 0..<3 where distance > .milliseconds(20) {
            let begun = ContinuousClock.now
            do throws(MachineError) { try await agent.setClock() } catch {
                await agent.close()
                throw error
            }
            distance = .now - begun
        }
    }

    private static func greet(
        _ socket: consuming OwnedDescriptor, _ record: MachineRecord, _ loop: any EventLoop
    ) throws(MachineError) -> AgentConnection {
        try AgentConnection.open(
            socket, on: loop,
            second: .renew(
                nanosecondsSinceEpoch: WallClock.nanoseconds(),
                entropy: (0..<32).map { _ in UInt8.random(in: .min ... .max) },
                hostname: Array(record.name.text.utf8)))
    }

    /// Ends the VMM and removes everything of the clone.
    package func destroy() async {
        if let asleep = takeAsleep() { return await asleep.machine.destroy() }
        await vmm.destroy()
        await starter.discard(record, slotReturn)
    }
}

extension MachineStarter {
    /// Whether a clone should rehearse: a translated guest spends most of its first answer on the translation, which
    /// starts anew with each process.
    package var rehearses: Bool { monitor.kind == .qemu && monitor.isolation == .emulated }

    /// Prepares a clone of `snapshot` in the request's slot. Everything slow about it happens here, off the way of
    /// requests. Whatever fails, nothing of the attempt is left.
    package func prepare(_ request: Request, from snapshot: Snapshot) async throws(MachineError) -> PreparedClone {
        var request = request
        request.snapshot = snapshot.id.text
        var record = try await newRecord(for: request)
        CrashPoint.cloneRecorded.reach()
        do throws(MachineError) {
            let configuration = try await cloneConfiguration(request, record, snapshot)
            let vmm: any PreparedMachine
            do throws(VMMError) { vmm = try await monitor.prepare(configuration, from: snapshot.files) } catch {
                throw .vmm(error)
            }
            record.state = .prepared
            record.process = vmm.process
            let (final, records) = (record, records)
            do throws(MachineError) {
                try await BlockingPool.run { () throws(MachineError) in try records.write(final) }
            } catch {
                await vmm.destroy()
                throw error
            }
            CrashPoint.clonePrepared.reach()
            return PreparedClone(snapshot: snapshot, record: record, request: request, vmm: vmm, starter: self)
        } catch {
            await discard(record, request.slotReturn)
            throw error
        }
    }

    private func cloneConfiguration(
        _ request: Request, _ record: MachineRecord, _ snapshot: Snapshot
    ) async throws(MachineError) -> VMConfiguration {
        let (records, kernel, tag) = (records, kernel, tag)
        return try await BlockingPool.run { () throws(MachineError) in
            let folder = records.folder(of: record.id)
            // To the agent, to the app, and one more should the first packet be lost.
            request.slot.prepareSockets(3)
            var scratch: FilePath?
            if snapshot.manifest.scratchDisk != nil {
                let copy = folder.appending("scratch.ext4")
                do throws(HostError) {
                    try SparseFile.copy(snapshot.files.scratchDisk, to: copy)
                    try Files.give(copy, to: record.userID)
                } catch {
                    throw MachineError.host(error)
                }
                scratch = copy
            }
            return VMConfiguration(
                id: record.id.text, directory: folder, kernel: kernel.image, initramfs: nil, commandLine: "",
                vcpus: request.spec.vcpus, memory: request.spec.memory, rootDisk: request.image.rootfs,
                scratchDisk: scratch, network: NetworkAttachment(request.slot), cgroupParent: tag.cgroupParent,
                userID: record.userID)
        }
    }
}
