package import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// A range of IP addresses, as `10.0.0.0/8`, `fd00::/8` or one address.
package struct AddressBlock: Sendable, Equatable {
    private let bytes: [UInt8]
    private let prefix: Int

    /// Nil unless `text` is an address with an optional prefix length.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let bytes = parts.first.flatMap({ Self.parse(String($0)) }) else { return nil }
        self.bytes = bytes
        if parts.count == 2 {
            guard let prefix = Int(parts[1]), (0...(bytes.count * 8)).contains(prefix) else { return nil }
            self.prefix = prefix
        } else {
            prefix = bytes.count * 8
        }
    }

    package func contains(_ address: SocketAddress) -> Bool {
        address.ipAddress.flatMap(Self.parse).map(contains) ?? false
    }

    /// `other` as four or sixteen bytes.
    func contains(_ other: [UInt8]) -> Bool {
        guard other.count == bytes.count else { return false }
        for bit in 0..<prefix {
            let mask = UInt8(0x80) >> UInt8(bit % 8)
            if (bytes[bit / 8] ^ other[bit / 8]) & mask != 0 { return false }
        }
        return true
    }

    /// Four bytes, or sixteen; nil for anything but an address.
    static func parse(_ text: String) -> [UInt8]? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: &four) { Array($0) } }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        let bytes = withUnsafeBytes(of: &six) { Array($0) }
        // An IPv4 client of a socket that takes both comes as ::ffff:a.b.c.d.
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
        return Array(bytes.prefix(12)) == mapped ? Array(bytes.suffix(4)) : bytes
    }
}
