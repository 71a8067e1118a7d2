import GuestBoot
import HostNetwork
import Images
import LinuxHost
package import Snapshots
import SystemPackage
import VMM

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
