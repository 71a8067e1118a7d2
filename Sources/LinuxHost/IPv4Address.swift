/// An IPv4 address in host byte order.
package struct IPv4Address: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let value: UInt32

    package init(value: UInt32) {
        self.value = value
    }

    package init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
        value = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
    }

    /// nil unless `text` is four decimal numbers with dots, without leading zeros.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard let number = UInt8(part), String(number) == part else { return nil }
            value = value << 8 | UInt32(number)
        }
        self.value = value
    }

    package var isLoopback: Bool { value >> 24 == 127 }

    package static func < (left: IPv4Address, right: IPv4Address) -> Bool { left.value < right.value }

    package var description: String {
        "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
    }
}

/// The six bytes of an Ethernet address.
package struct MACAddress: Sendable, Hashable, CustomStringConvertible {
    package let bytes: [UInt8]

    /// Takes exactly six bytes.
    package init(_ bytes: [UInt8]) {
        precondition(bytes.count == 6, "an Ethernet address has six bytes")
        self.bytes = bytes
    }

    package var description: String {
        bytes.map { hexadecimal([$0]) }.joined(separator: ":")
    }
}
