import CLinuxHost
import Glibc
import SystemPackage

/// Interfaces of the calling thread's network namespace, by ioctl and netlink: no program is started.
package enum NetworkLink {
    package static func setUp(_ name: String) throws(HostError) {
        try HostError.check(lh_link_up(name), "bring up the interface", name)
    }

    package static func setAddress(_ name: String, _ address: IPv4Address, prefix: Int) throws(HostError) {
        let result = lh_link_set_address(name, address.value, Int32(prefix))
        try HostError.check(result, "set the address of", name)
    }

    package static func setMAC(_ name: String, _ mac: MACAddress) throws(HostError) {
        try HostError.check(lh_link_set_mac(name, mac.bytes), "set the hardware address of", name)
    }

    package static func mac(of name: String) throws(HostError) -> MACAddress {
        var bytes = [UInt8](repeating: 0, count: 6)
        try HostError.check(lh_link_get_mac(name, &bytes), "read the hardware address of", name)
        return MACAddress(bytes)
    }

    package static func setPermanentNeighbour(
        _ address: IPv4Address, _ mac: MACAddress, on link: String
    ) throws(HostError) {
        let result = lh_neighbour_set_permanent(link, address.value, mac.bytes)
        try HostError.check(result, "set the neighbour \(address) on", link)
    }

    package static func setDefaultRoute(via gateway: IPv4Address, on link: String) throws(HostError) {
        try HostError.check(lh_route_set_default(link, gateway.value), "set the default route on", link)
    }

    /// Makes a veth pair: `name` here and `peer` in another namespace.
    package static func makePair(
        _ name: String, peer: String, in namespace: borrowing NetworkNamespace
    ) throws(HostError) {
        let result = lh_veth_create(name, peer, namespace.descriptor.rawValue)
        try HostError.check(result, "make the interface pair", "\(name) and \(peer)")
    }

    /// Says in the kernel whose interface this is; `list` shows it.
    package static func setAlias(_ name: String, _ alias: String) throws(HostError) {
        try HostError.check(lh_link_set_alias(name, alias), "set the alias of", name)
    }

    /// Removes an interface; one that is already gone is no error.
    package static func remove(_ name: String) throws(HostError) {
        let result = lh_link_delete(name)
        if result != -ENODEV { try HostError.check(result, "remove the interface", name) }
    }

    /// Every interface, in the kernel's order.
    package static func list() throws(HostError) -> [(name: String, alias: String)] {
        final class Links { var found: [(name: String, alias: String)] = [] }
        let links = Links()
        let result = withExtendedLifetime(links) {
            lh_link_list(
                { context, name, alias in
                    guard let context, let name, let alias else { return }
                    Unmanaged<Links>.fromOpaque(context).takeUnretainedValue()
                        .found.append((String(cString: name), String(cString: alias)))
                }, Unmanaged.passUnretained(links).toOpaque())
        }
        try HostError.check(result, "list", "the interfaces")
        return links.found
    }

    /// Forgets every tracked connection of the namespace.
    package static func forgetConnections() throws(HostError) {
        try HostError.check(lh_conntrack_flush(), "forget", "tracked connections")
    }

    /// For one interface, `all` or `default`; a kernel without IPv6 has nothing to switch off.
    package static func disableIPv6(_ name: String) throws(HostError) {
        do throws(HostError) {
            try setSysctl("ipv6/conf/\(name)/disable_ipv6", "1")
        } catch  where error.errno == .noSuchFileOrDirectory {
            return
        }
    }

    /// Writes `/proc/sys/net/PATH`, which shows the calling thread's namespace.
    package static func setSysctl(_ path: String, _ value: String) throws(HostError) {
        let file = FilePath("/proc/sys/net").appending(path)
        let descriptor = try Files.open(file, O_WRONLY)
        try AtomicFile.writeAll(Array(value.utf8), to: descriptor, path: file)
    }

    package static func sysctl(_ path: String) throws(HostError) -> String {
        let bytes = try Files.read(FilePath("/proc/sys/net").appending(path), limit: 4096)
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
}
