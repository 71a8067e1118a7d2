import GuestBoot
import HostNetwork
import Images
import LinuxHost
import NIOCore
package import Snapshots
import SystemPackage
import VMM

/// A clone that lacks nothing but the order to run: its slot, its record and a VMM that waits.
package final class PreparedClone: Sendable {
    package let snapshot: Snapshot
    package let record: MachineRecord
    private let slot: Slot
    private let vmm: any PreparedMachine
    private let starter: MachineStarter

    init(
        snapshot: Snapshot, record: MachineRecord, slot: Slot, vmm: any PreparedMachine, starter: MachineStarter
    ) {
        self.snapshot = snapshot
        self.record = record
        self.slot = slot
        self.vmm = vmm
        self.starter = starter
    }

    package var isUsable: Bool { !vmm.hasEnded }

    /// Makes the clone run and unlike its siblings: when this returns it has the time, a random number generator and a
    /// host name of its own, and its app listens. Whatever fails, the clone is gone.
    package func restore() async throws(MachineError) -> (machine: Machine, record: MachineRecord) {
        var record = record
        var phases = StartPhases()
        let clock = Stopwatch()
        do throws(MachineError) {
            let vm: any VirtualMachine
            do throws(VMMError) { vm = try await vmm.restore() } catch { throw .vmm(error) }
            phases.vmm = clock.lap()
            CrashPoint.cloneRestored.reach()
            let agent = try await meetAgent()
            phases.app = clock.lap() - phases.vmm
            record.state = .running
            record.phases = phases
            return (Machine(id: record.id, slot: slot, vm: vm, agent: agent, records: starter.records), record)
        } catch {
            await destroy()
            throw error
        }
    }

    private func meetAgent() async throws(MachineError) -> AgentConnection {
        let slot = slot
        let socket = try await BlockingPool.run { () throws(MachineError) in
            do throws(HostNetworkError) {
                return try slot.connect(port: AgentProtocol.port, deadline: .now + .seconds(5)).release()
            } catch {
                throw MachineError.template("the clone's agent cannot be reached: \(error)")
            }
        }
        var asked = ContinuousClock.now
        let agent = try await AgentConnection.open(
            OwnedDescriptor(socket), on: starter.group.any(),
            second: .renew(
                nanosecondsSinceEpoch: WallClock.nanoseconds(),
                entropy: (0..<32).map { _ in UInt8.random(in: .min ... .max) },
                hostname: Array(record.name.text.utf8)))
        // The time is as wrong as the way to the guest was long, and under emulation the first way is.
        for _ in 0..<3 where ContinuousClock.now - asked > .milliseconds(20) {
            asked = .now
            do throws(MachineError) { try await agent.setClock() } catch {
                await agent.close()
                throw error
            }
        }
        return agent
    }

    /// Ends the VMM and removes everything of the clone.
    package func destroy() async {
        await vmm.destroy()
        await starter.discard(record)
    }
}

extension MachineStarter {
    /// Prepares a clone of `snapshot` in the request's slot. Everything slow about it happens here, off the way of
    /// requests. Whatever fails, nothing of the attempt is left.
    package func prepare(_ request: Request, from snapshot: Snapshot) async throws(MachineError) -> PreparedClone {
        var request = request
        request.snapshot = snapshot.id.text
        var record = try await newRecord(for: request)
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
            return PreparedClone(snapshot: snapshot, record: record, slot: request.slot, vmm: vmm, starter: self)
        } catch {
            await discard(record)
            throw error
        }
    }

    private func cloneConfiguration(
        _ request: Request, _ record: MachineRecord, _ snapshot: Snapshot
    ) async throws(MachineError) -> VMConfiguration {
        let (records, kernel, tag) = (records, kernel, tag)
        return try await BlockingPool.run { () throws(MachineError) in
            let folder = records.folder(of: record.id)
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
