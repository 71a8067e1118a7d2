/// A range of IPv4 addresses that share their first `prefix` bits.
package struct IPv4Network: Sendable, Hashable, CustomStringConvertible {
    package let address: IPv4Address
    package let prefix: Int

    /// Clears the bits of `address` after `prefix`, which is 0 to 32.
    package init(_ address: IPv4Address, prefix: Int) {
        precondition((0...32).contains(prefix), "an IPv4 prefix is 0 to 32 bits")
        self.address = IPv4Address(value: address.value & Self.mask(prefix))
        self.prefix = prefix
    }

    package func contains(_ other: IPv4Address) -> Bool {
        other.value & Self.mask(prefix) == address.value
    }

    package func overlaps(_ other: IPv4Network) -> Bool {
        prefix <= other.prefix ? contains(other.address) : other.contains(address)
    }

    private static func mask(_ prefix: Int) -> UInt32 {
        prefix == 0 ? 0 : UInt32.max << (32 - prefix)
    }

    package var description: String { "\(address)/\(prefix)" }
}
