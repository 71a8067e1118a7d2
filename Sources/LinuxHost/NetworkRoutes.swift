import Glibc
import SystemPackage

/// What the calling thread's network namespace can reach.
package enum NetworkRoutes {
    /// A row of the main IPv4 routing table.
    package struct Route: Sendable, Hashable {
        package let link: String
        package let network: IPv4Network
        package var isDefault: Bool { network.prefix == 0 }

        package init(link: String, network: IPv4Network) {
            self.link = link
            self.network = network
        }
    }

    package static func read() throws(HostError) -> [Route] {
        // The shorter /proc/net shows the namespace of the process's first thread.
        parse(String(decoding: try Files.read("/proc/thread-self/net/route"), as: UTF8.self))
    }

    /// The kernel's text form: addresses are hexadecimal numbers in the machine's byte order.
    package static func parse(_ text: String) -> [Route] {
        text.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split { $0 == "\t" || $0 == " " }
            guard fields.count > 7, let address = UInt32(fields[1], radix: 16), let mask = UInt32(fields[7], radix: 16)
            else { return nil }
            let network = IPv4Network(
                IPv4Address(value: UInt32(bigEndian: address)), prefix: UInt32(bigEndian: mask).nonzeroBitCount)
            return Route(link: String(fields[0]), network: network)
        }
    }

    /// The IPv4 addresses of the namespace's interfaces.
    package static func localAddresses() throws(HostError) -> [IPv4Address] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { throw HostError("list", "local addresses", Errno(rawValue: errno)) }
        defer { freeifaddrs(first) }
        var found: [IPv4Address] = []
        var next = first
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard let address = entry.ifa_addr, address.pointee.sa_family == sa_family_t(AF_INET) else { continue }
            let inet = UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in.self)
            found.append(IPv4Address(value: UInt32(bigEndian: inet.sin_addr.s_addr)))
        }
        return found
    }
}
