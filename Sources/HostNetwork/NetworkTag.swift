package import LinuxHost
import SystemPackage

/// The name of one installation on this host, derived from its state directory: it is part of the name of everything
/// that fcctl makes in the host's own network, so that several installations and their sweeps keep apart.
package struct NetworkTag: Sendable, Hashable, CustomStringConvertible {
    /// Eight lower-case hexadecimal digits.
    package let description: String

    package init(_ state: StateDirectory) {
        description = String(SHA256.hash(Array(state.root.string.utf8)).prefix(8))
    }

    /// nil unless `text` is eight lower-case hexadecimal digits.
    package init?(_ text: String) {
        guard text.utf8.count == 8, text.utf8.allSatisfy(Self.isHexadecimal) else { return nil }
        description = text
    }

    /// The nftables table in the host's namespace.
    package var table: String { "fcctl_\(description)" }
    /// How the names of the host's ends of our links begin.
    package var linkPrefix: String { "fc\(description)-" }

    /// 15 bytes, the most an interface name may have.
    package func link(_ number: EgressNumber) -> String {
        let digits = String(number.value, radix: 16)
        return linkPrefix + String(repeating: "0", count: 4 - digits.count) + digits
    }

    fileprivate static func isHexadecimal(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}

/// The number of a slot's link to the host, unique in the host's network: it decides the link's addresses.
package struct EgressNumber: Sendable, Hashable {
    package static let limit = 1 << 14
    /// The upper end of the carrier-grade NAT range, which no private network uses and no router on the way accepts.
    package static let pool = IPv4Network(IPv4Address(100, 127, 0, 0), prefix: 16)

    package let value: Int

    package init(_ value: Int) {
        precondition((0..<Self.limit).contains(value), "a link number is below \(Self.limit)")
        self.value = value
    }

    /// The number in the name of a link of any installation; nil for every other interface.
    package init?(link name: String) {
        let bytes = Array(name.utf8)
        guard bytes.count == 15, name.hasPrefix("fc"), bytes[10] == UInt8(ascii: "-"),
            bytes[2..<10].allSatisfy(NetworkTag.isHexadecimal), bytes[11...].allSatisfy(NetworkTag.isHexadecimal),
            let value = Int(name.suffix(4), radix: 16), value < Self.limit
        else { return nil }
        self.value = value
    }

    package var network: IPv4Network {
        IPv4Network(IPv4Address(value: Self.pool.address.value + UInt32(value) * 4), prefix: 30)
    }
    package var hostEnd: IPv4Address { IPv4Address(value: network.address.value + 1) }
    package var slotEnd: IPv4Address { IPv4Address(value: network.address.value + 2) }

    /// The lowest number that no link has and whose addresses no route of the host leads elsewhere; nil when none is
    /// left. A route wider than the pool is no obstacle: the link's own is narrower and wins.
    package static func lowestFree(links: [String], routes: [NetworkRoutes.Route]) -> EgressNumber? {
        let taken = Set(links.compactMap { EgressNumber(link: $0) })
        let foreign = routes.filter { $0.network.prefix >= pool.prefix && pool.overlaps($0.network) }
            .filter { EgressNumber(link: $0.link) == nil }
        return (0..<limit).lazy.map { EgressNumber($0) }.first { number in
            !taken.contains(number) && !foreign.contains { $0.network.overlaps(number.network) }
        }
    }
}
