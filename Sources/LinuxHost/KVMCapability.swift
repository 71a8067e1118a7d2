import CLinuxHost
import Glibc
package import SystemPackage

/// What `/dev/kvm` is good for on this host.
package enum KVMCapability: Sendable, Hashable {
    /// There is none, or it cannot be opened.
    case none(reason: String)
    /// It opens, but the CPU cannot virtualise: small bare-metal guests run, an ordinary Linux kernel does not.
    case emulated(reason: String)
    case hardware(reason: String)

    /// One sentence for an operator.
    package var reason: String {
        switch self {
        case .none(let reason), .emulated(let reason), .hardware(let reason): reason
        }
    }

    package static func detect(device: FilePath = "/dev/kvm", cpuinfo: FilePath = "/proc/cpuinfo") -> KVMCapability {
        let opened: Errno?
        do {
            _ = try Files.open(device, O_RDWR)
            opened = nil
        } catch {
            opened = error.errno
        }
        // Without the list of flags nothing shows that the CPU can virtualise.
        let text = (try? Files.read(cpuinfo)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return decide(device: device.string, openError: opened, cpuinfo: text)
    }

    package static func decide(device: String, openError: Errno?, cpuinfo: String) -> KVMCapability {
        switch openError {
        case nil:
            break
        case .noSuchFileOrDirectory:
            return .none(
                reason: "\(device) does not exist: switch on virtualisation in the firmware or the cloud's settings")
        case .permissionDenied, .notPermitted:
            return .none(reason: "\(device) may not be opened by this user: run as root or join the group kvm")
        case .some(let error):
            return .none(reason: "\(device) cannot be opened: \(error)")
        }
        for line in cpuinfo.split(separator: "\n") where line.hasPrefix("flags") {
            let flags = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            if flags.contains("vmx") || flags.contains("svm") {
                return .hardware(reason: "\(device) opens and the CPU virtualises")
            }
            break
        }
        return .emulated(
            reason: "\(device) opens, but the CPU has neither vmx nor svm: it cannot run an ordinary Linux guest")
    }
}
