/// Names and values that came as counted bytes, judged before they are written as lines. What reads the lines judges the rest.
enum FieldBytes {
    /// Fields that only make sense on one connection of HTTP/1.1 (RFC 9113 8.2.2).
    static func isOfConnection(_ text: UnsafeRawBufferPointer, _ name: Range<Int>) -> Bool {
        // Most differ in length already.
        switch name.count {
        case 7: matches(text, name, "upgrade")
        case 10: matches(text, name, "connection") || matches(text, name, "keep-alive")
        case 16: matches(text, name, "proxy-connection")
        case 17: matches(text, name, "transfer-encoding")
        default: false
        }
    }

    /// In whatever case the name is written; `word` is in lower case.
    @inline(__always)
    static func matches(_ text: UnsafeRawBufferPointer, _ range: Range<Int>, _ word: StaticString) -> Bool {
        guard range.count == word.utf8CodeUnitCount else { return false }
        for offset in 0..<range.count {
            let byte = text[range.lowerBound + offset]
            if (byte &- 0x41 < 26 ? byte | 0x20 : byte) != word.utf8Start[offset] { return false }
        }
        return true
    }

    @inline(__always)
    static func isEqual(_ text: UnsafeRawBufferPointer, _ range: Range<Int>, _ word: StaticString) -> Bool {
        guard range.count == word.utf8CodeUnitCount else { return false }
        for offset in 0..<range.count where text[range.lowerBound + offset] != word.utf8Start[offset] { return false }
        return true
    }

    static func check(
        _ text: UnsafeRawBufferPointer, name: Range<Int>, value: Range<Int>
    ) throws(WireError) {
        if name.isEmpty { throw .malformedFieldName }
        for place in name {
            let byte = text[place]
            guard byte > 0x20, byte < 0x7f, byte != Octet.colon, byte &- 0x41 >= 26 else {
                throw .malformedFieldName
            }
        }
        for place in value {
            let byte = text[place]
            guard byte >= 0x20 || byte == Octet.tab else { throw .controlByte }
        }
        // White space at the ends would be lost on the way (RFC 9113 8.2.1).
        guard let last = value.last else { return }
        if isBlank(text[value.lowerBound]) || isBlank(text[last]) { throw .controlByte }
    }

    static func isVisible(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        for place in range {
            let byte = text[place]
            guard byte > 0x20, byte < 0x7f else { return false }
        }
        return true
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == Octet.space || byte == Octet.tab }
}
