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
        guard range.count == word.utf8CodeUnitCount, let base = text.baseAddress else { return false }
        return HPACKBytes.equal(name: base + range.lowerBound, word.utf8Start, range.count)
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
        let isNameGood = ByteWords.allPass(text, name) { word in
            ByteWords.holds(below: 0x21, word) || ByteWords.holds(above: 0x7e, word)
                || ByteWords.holds(UInt64(Octet.colon), word) || ByteWords.upperCase(word) != 0
        } _: { byte in
            byte > 0x20 && byte < 0x7f && byte != Octet.colon && byte &- 0x41 >= 26
        }
        if !isNameGood { throw .malformedFieldName }
        let isValueGood = ByteWords.allPass(text, value) {
            ByteWords.holds(below: 0x20, $0)
        } _: {
            $0 >= 0x20 || $0 == Octet.tab
        }
        if !isValueGood { throw .controlByte }
        // White space at the ends would be lost on the way (RFC 9113 8.2.1).
        guard let last = value.last else { return }
        if isBlank(text[value.lowerBound]) || isBlank(text[last]) { throw .controlByte }
    }

    static func isVisible(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        ByteWords.allPass(text, range) { word in
            ByteWords.holds(below: 0x21, word) || ByteWords.holds(above: 0x7e, word)
        } _: { byte in
            byte > 0x20 && byte < 0x7f
        }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == Octet.space || byte == Octet.tab }
}
