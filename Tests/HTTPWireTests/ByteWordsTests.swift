import Testing

@testable import HTTPWire

@Suite struct ByteWordsTests {
    @Test func `a byte that breaks a rule is seen at each place of a name and a value of each length`() {
        for length in 1...19 {
            for place in 0..<length {
                for byte in UInt8.min ... .max {
                    var text = [UInt8](repeating: 0x61, count: length + 4)
                    // What stands around the range is none of its business.
                    text[0] = 0
                    text[length + 1] = 0
                    text[place + 1] = byte
                    let range = 1..<(length + 1)
                    let isEdge = place == 0 || place == length - 1
                    let isBlank = byte == 0x20 || byte == 0x09
                    let isName = byte > 0x20 && byte < 0x7f && byte != 0x3a && !(0x41...0x5a).contains(byte)
                    let isValue = (byte >= 0x20 || byte == 0x09) && !(isEdge && isBlank)
                    text.withUnsafeBytes { bytes in
                        #expect(isGood(bytes, name: range, value: 1..<1) == isName, "\(byte) at \(place) of \(length)")
                        #expect(isGood(bytes, name: (length + 2)..<(length + 3), value: range) == isValue)
                        #expect(FieldBytes.isVisible(bytes, range) == (byte > 0x20 && byte < 0x7f))
                    }
                }
            }
        }
    }

    private func isGood(_ bytes: UnsafeRawBufferPointer, name: Range<Int>, value: Range<Int>) -> Bool {
        do {
            try FieldBytes.check(bytes, name: name, value: value)
            return true
        } catch {
            return false
        }
    }

    @Test func `the first of some bytes is found from each start`() {
        for length in 0...20 {
            for first in 0...length {
                for second in first...length {
                    var text = [UInt8](repeating: 0x0c, count: length)
                    if first < length { text[first] = 0x0d }
                    if second < length { text[second] = 0x0d }
                    text.withUnsafeBytes { bytes in
                        for start in 0...length {
                            let expected = text[start...].firstIndex(of: 0x0d) ?? length
                            #expect(ByteWords.find(0x0d, from: start, in: bytes) == expected)
                        }
                    }
                }
            }
        }
    }

    @Test func `a word is matched in any case, and nothing that only looks like it`() {
        for byte in UInt8.min ... .max {
            for place in 0..<12 {
                var text = Array("X-Request-ID".utf8)
                text[place] = byte
                let isSame = Array("x-request-id".utf8)[place] == ((0x41...0x5a).contains(byte) ? byte | 0x20 : byte)
                text.withUnsafeBytes { #expect(FieldBytes.matches($0, 0..<12, "x-request-id") == isSame) }
            }
        }
    }
}
