import CLinuxHost
import Glibc
import SystemPackage

/// TAP interfaces of the calling thread's network namespace.
package enum TapDevice {
    package static let path = "/dev/net/tun"

    /// Attaches to the TAP `name`, making it if there is none; it goes with the descriptor unless made persistent.
    package static func open(_ name: String) throws(HostError) -> OwnedDescriptor {
        OwnedDescriptor(try HostError.check(lh_tap_open(name), "attach to the TAP \(name) by", path))
    }

    /// Lets the TAP outlive its descriptors; it goes with its namespace.
    package static func persist(_ tap: borrowing OwnedDescriptor) throws(HostError) {
        try HostError.check(lh_tap_persist(tap.rawValue), "keep the TAP made by", path)
    }
}
