package import LinuxHost
import SystemPackage

/// Why a slot could not be made, found or used.
package enum HostNetworkError: Error, CustomStringConvertible, Equatable {
    case notPrivileged(HostError)
    case readOnlySettings(HostError)
    case noTunDevice
    case tapBusy(SlotNumber)
    case noFirewall(report: String)
    case noAddressLeft
    case journal(path: String)
    case notASlot(pid: Int32, reason: String)
    case refused(port: UInt16)
    case unanswered(port: UInt16, after: Duration)
    case system(HostError)

    package var description: String {
        switch self {
        case .notPrivileged(let error):
            "the network of a microVM cannot be made (\(error)): run fcctl as root or grant it CAP_NET_ADMIN and "
                + "CAP_SYS_ADMIN"
        case .readOnlySettings(let error):
            "the kernel's network settings cannot be changed here (\(error)): run fcctl outside a container, or in one that "
                + "may write /proc/sys"
        case .noTunDevice:
            "/dev/net/tun is missing: load the kernel module with `modprobe tun`, or pass the device into the container"
        case .tapBusy(let number):
            "slot \(number) already has a VMM attached to its TAP: stop that VMM or take another slot"
        case .noFirewall(let report):
            "the kernel refused the firewall of a slot (\(Self.firstLine(report))): load the kernel modules nf_tables, "
                + "nft_ct and nft_masq, or enable them in the kernel"
        case .noAddressLeft:
            "no link address is left in \(EgressNumber.pool) for another machine: delete machines, remove a route into that "
                + "range, or start with --egress none"
        case .journal(let path):
            "\(path) cannot be read, so what fcctl changed on this host is not known: look at it, then remove it"
        case .notASlot(let pid, let reason):
            "process \(pid) is not in a slot of fcctl (\(reason)): check that the machine still runs"
        case .refused(let port):
            "the guest refused a connection to port \(port): start a server on that port in the image, or name the right "
                + "one with --app-port"
        case .unanswered(let port, let time):
            "the guest did not answer on port \(port) within \(time): look at its log with `fcctl logs`"
        case .system(let error):
            "\(error): look at the kernel's log for the reason"
        }
    }

    private static func firstLine(_ report: String) -> Substring {
        report.split(separator: "\n").first ?? "no reason given"
    }

    package init(_ error: HostError) {
        switch error.errno {
        case .notPermitted, .permissionDenied: self = .notPrivileged(error)
        case .readOnlyFileSystem where error.subject.hasPrefix("/proc/sys/"): self = .readOnlySettings(error)
        default: self = .system(error)
        }
    }

    package init(_ error: PacketFilterError) {
        switch error {
        case .noMemory: self = .system(HostError("set up", "nftables", .noMemory))
        case .refused(let report) where report.contains("not permitted"):
            self = .notPrivileged(HostError("set up", "nftables", .notPermitted))
        case .refused(let report): self = .noFirewall(report: report)
        }
    }
}

/// Runs `body` with the errors of the layer below turned into ours.
func translated<Value: ~Copyable>(_ body: () throws(HostError) -> Value) throws(HostNetworkError) -> Value {
    do { return try body() } catch { throw HostNetworkError(error) }
}
