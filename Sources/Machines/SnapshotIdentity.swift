import GuestBoot
package import Images
import LinuxHost
package import Snapshots
import SystemPackage
import VMM

extension MachineStarter {
    /// What a snapshot of a machine of `spec` and `image` may stand in for. Blocks: the VMM's binary is hashed.
    package func snapshotKey(_ spec: MachineSpec, _ image: StoredImage) throws(MachineError) -> SnapshotKey {
        guard let port = spec.appPort else {
            throw .template("only an app that listens on a port can be started from a snapshot")
        }
        let base: FilePath
        do throws(GuestBootError) { base = try Initramfs.base(for: kernel, state: records.state) } catch {
            throw .guestBoot(error)
        }
        let run = try GuestConfiguration.make(
            spec: spec, image: image, name: MachineName(afterImage: spec.imageName))
        do throws(HostError) {
            return SnapshotKey(
                imageDigest: image.digest, root: image.rootfs.lastComponent?.string ?? "",
                vcpus: spec.vcpus, memory: spec.memory, disk: spec.disk, appPort: port,
                environment: run.environment.map { String(decoding: $0, as: UTF8.self) },
                egress: spec.egress.rawValue, kernel: kernel.digest, initramfs: base.stem ?? "",
                vmm: monitor.kind.rawValue, vmmVersion: monitor.version,
                vmmBinary: try SHA256.hash(file: monitor.executable), accelerator: monitor.isolation.rawValue,
                cpu: HostIdentity.processor, hostKernel: HostIdentity.kernelRelease)
        } catch {
            throw .host(error)
        }
    }
}
