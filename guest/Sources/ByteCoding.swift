// Little-endian integers and counted bytes, for the two formats that host and guest share.
// Compiled into the host program and, in Embedded mode, into the guest's init.

/// Reads from a fixed run of bytes; every read past the end gives nil and nothing else.
package struct ByteReader: Sendable {
    private let bytes: [UInt8]
    private var position: Int
    private let end: Int

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
        position = 0
        end = bytes.count
    }

    package var remaining: Int { end - position }

    package mutating func integer<Value: FixedWidthInteger>(_: Value.Type = Value.self) -> Value? {
        let width = Value.bitWidth / 8
        guard remaining >= width else { return nil }
        var value: Value = 0
        for offset in 0..<width {
            value |= Value(truncatingIfNeeded: bytes[position + offset]) << Value(truncatingIfNeeded: offset * 8)
        }
        position += width
        return value
    }

    package mutating func flag() -> Bool? {
        switch integer(UInt8.self) {
        case 0: false
        case 1: true
        default: nil
        }
    }

    package mutating func take(_ count: Int) -> [UInt8]? {
        guard count >= 0, remaining >= count else { return nil }
        defer { position += count }
        return [UInt8](bytes[position..<position + count])
    }

    package mutating func rest() -> [UInt8] {
        defer { position = end }
        return [UInt8](bytes[position..<end])
    }
}

/// Collects bytes in the order in which `ByteReader` takes them.
package struct ByteWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func integer(_ value: some FixedWidthInteger) {
        for offset in 0..<value.bitWidth / 8 {
            bytes.append(UInt8(truncatingIfNeeded: value >> (offset * 8)))
        }
    }

    package mutating func flag(_ value: Bool) { bytes.append(value ? 1 : 0) }

    package mutating func append(_ more: [UInt8]) { bytes.append(contentsOf: more) }
}
