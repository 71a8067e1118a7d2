import HTTPWire
import NIOCore
import NIOHPACK

/// Names and values that came as counted bytes, before they are written as lines. The parser of these lines judges the rest.
enum FieldText {
    static func check(name: String, value: String) throws(WireError) {
        guard !name.isEmpty, all(name, { $0 > 0x20 && $0 < 0x7f && $0 != 0x3a && $0 &- 0x41 >= 26 }) else {
            throw .malformedFieldName
        }
        guard all(value, { $0 >= 0x20 || $0 == 0x09 }) else { throw .controlByte }
        // White space at the ends would be lost on the way (RFC 9113 8.2.1).
        if isBlank(value.utf8.first) || isBlank(value.utf8.last) { throw .controlByte }
    }

    /// Trailers end a message; what breaks a rule in them breaks the message.
    static func check(_ trailers: HPACKHeaders) throws(WireError) {
        for (name, value, _) in trailers { try check(name: name, value: value) }
    }

    private static func isBlank(_ byte: UInt8?) -> Bool { byte == 0x20 || byte == 0x09 }

    @inline(__always)
    private static func all(_ text: String, _ isGood: (UInt8) -> Bool) -> Bool {
        // Strings that the header decoder makes are contiguous.
        text.utf8.withContiguousStorageIfAvailable { $0.allSatisfy(isGood) } ?? text.utf8.allSatisfy(isGood)
    }
}

extension ByteBuffer {
    mutating func writeField(_ name: String, _ value: String) {
        writeString(name)
        writeStaticString(": ")
        writeString(value)
        writeStaticString("\r\n")
    }

    /// The last chunk with trailer fields, which have been checked.
    mutating func writeLastChunk(_ trailers: HPACKHeaders?) {
        writeStaticString("0\r\n")
        if let trailers {
            for (name, value, _) in trailers { writeField(name, value) }
        }
        writeStaticString("\r\n")
    }
}
