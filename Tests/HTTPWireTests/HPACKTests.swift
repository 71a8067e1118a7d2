import HTTPWire
import Testing

struct HPACKCase: Sendable, CustomStringConvertible {
    let description: String
    let blocks: [String]
    let error: HPACKError

    init(_ rule: String, _ blocks: String..., error: HPACKError) {
        description = rule
        self.blocks = blocks
        self.error = error
    }
}

@Suite struct HPACKTests {
    @Test(arguments: HPACKExample.all)
    func `the blocks of the RFC's appendix are read as it says`(_ example: HPACKExample) throws {
        var reader = HPACKReader(tableLimit: example.tableLimit)
        for (block, fields) in example.blocks {
            #expect(try reader.read(hex(block)).map(\.description) == fields)
        }
        for (index, field) in example.table.enumerated() {
            #expect(try reader.read([UInt8(0xbe + index)]).map(\.description) == [field])
        }
        #expect(throws: HPACKError.unknownIndex) { try reader.read([UInt8(0xbe + example.table.count)]) }
    }

    static let malformed: [HPACKCase] = [
        .init("2.3.3: index 0", "80", error: .unknownIndex),
        .init("2.3.3: an index past both tables", "be", error: .unknownIndex),
        .init("2.3.3: a name past both tables", "7e 01 61", error: .unknownIndex),
        .init("2.3.3: a name past both tables, not to be indexed", "0f 2f 01 61", error: .unknownIndex),
        .init("2.3.3: an entry that has left the table", "40 01 61 01 62 be", "20 be", error: .unknownIndex),
        .init("4.4: the table after an entry larger than it", "3f 01 40 01 61 01 62 be", error: .unknownIndex),
        .init("4.2: a size after a field", "82 20", error: .lateSizeUpdate),
        .init("4.2: a size after a literal", "00 01 61 01 62 3f 01", error: .lateSizeUpdate),
        .init("4.2: three sizes", "20 20 20 82", error: .tooManySizeUpdates),
        .init("6.3: a size above the limit", "3f e2 1f", error: .sizeUpdateTooLarge),
        .init("5.1: an integer without its end", "ff", error: .truncated),
        .init("5.1: an integer without its last byte", "ff 80 80", error: .truncated),
        .init("5.1: an integer of six bytes and more", "ff 80 80 80 80 80 00", error: .integerTooLarge),
        .init("5.1: an integer above any length", "00 7f ff ff ff ff 0f", error: .integerTooLarge),
        .init("5.1: an integer that overflows a word", "ff ff ff ff ff ff ff ff ff ff 7f", error: .integerTooLarge),
        .init("5.2: no name", "40", error: .truncated),
        .init("5.2: no value", "40 01 61", error: .truncated),
        .init("5.2: a name longer than the block", "40 03 61 62", error: .truncated),
        .init("5.2: a value longer than the block", "41 02 61", error: .truncated),
        .init("5.2: a Huffman value longer than the block", "41 82 1f", error: .truncated),
        .init("5.2: a length cut off", "41 ff 80", error: .truncated),
        .init("5.2: padding of a whole byte", "41 81 ff", error: .malformedHuffman),
        .init("5.2: padding of eleven bits", "41 82 1f ff", error: .malformedHuffman),
        .init("5.2: padding of eight bits", "41 82 53 ff", error: .malformedHuffman),
        .init("5.2: padding of zeros", "41 81 18", error: .malformedHuffman),
        .init("5.2: padding with one zero", "41 81 1b", error: .malformedHuffman),
        .init("5.2: padding with one zero in a name", "40 81 1e 01 61", error: .malformedHuffman),
        .init("5.2: the end-of-string symbol", "41 84 ff ff ff ff", error: .malformedHuffman),
        .init("5.2: the end-of-string symbol before others", "41 86 ff ff ff fc 63 1f", error: .malformedHuffman),
        .init(
            "5.2: the end-of-string symbol in a long text",
            """
            41 92 18 c6 31 8c 63 18 c6 31 ff ff ff ff 18 c6 31 8c 63 ff
            """, error: .malformedHuffman),
        .init("5.2: a long code without its end", "41 82 ff fe", error: .malformedHuffman),
    ]

    @Test(arguments: malformed)
    func `a malformed block is refused by its rule`(_ malformed: HPACKCase) throws {
        var reader = HPACKReader()
        for block in malformed.blocks.dropLast() { _ = try reader.read(hex(block)) }
        let last = try #require(malformed.blocks.last)
        #expect(throws: malformed.error) { try reader.read(hex(last)) }
    }

    @Test func `what is unusual but allowed is read`() throws {
        var reader = HPACKReader()
        #expect(try reader.read([]).isEmpty)
        #expect(try reader.read(hex("20 3f e1 1f")).isEmpty)
        #expect(try reader.read(hex("40 01 61 00")) == [HPACKPair("a", "")])
        #expect(try reader.read(hex("40 01 61 80")) == [HPACKPair("a", "")])
        #expect(try reader.read(hex("00 00 00")) == [HPACKPair("", "")])
        #expect(try reader.read(hex("be")) == [HPACKPair("a", "")])
        // Zeros at the end of an integer, and a size that changes nothing.
        #expect(try reader.read(hex("3f e1 9f 80 80 00 00 81 1f 80")) == [HPACKPair("a", "")])
    }

    @Test func `a field is a line of the text, and the text may be cut between fields`() throws {
        var decoder = HPACKDecoder()
        var text = Array("GET".utf8)
        var at = 0
        decoder.begin()
        let block = hex("40 01 61 01 62 be 82")
        try block.withUnsafeBytes { bytes in
            let first = try decoder.next(bytes, &at, into: &text)
            #expect(first?.name == 3..<4 && first?.value == 6..<7)
            #expect(string(text[...]) == "GETa: b\r\n")
            text.removeAll()
            let second = try decoder.next(bytes, &at, into: &text)
            #expect(second?.name == 0..<1 && second?.value == 3..<4)
            let third = try decoder.next(bytes, &at, into: &text)
            #expect(third?.name == 6..<13 && third?.value == 15..<18)
            #expect(string(text[...]) == "a: b\r\n:method: GET\r\n")
            let end = try decoder.next(bytes, &at, into: &text)
            #expect(end == nil)
            #expect(at == block.count)
        }
    }

    @Test func `every byte has its code, alone and in a row`() throws {
        var reader = HPACKReader()
        var writer = HPACKWriter()
        for scalar in (0...255 as ClosedRange<UInt8>).map({ Unicode.Scalar($0) }) {
            for count in [1, 2, 3, 7, 8, 9, 40] {
                let pair = HPACKPair("x", "aaaaaaaaaaaaaaaaaaaa" + String(repeating: Character(scalar), count: count))
                #expect(try reader.read(writer.write([pair], .none)) == [pair])
            }
        }
    }

    @Test func `a value larger than the table is read, and empties the table`() throws {
        let long = HPACKPair("a", String(repeating: "ab", count: 20_000))
        var reader = HPACKReader()
        _ = try reader.read(hex("40 01 61 01 62"))
        var writer = HPACKWriter()
        var block = writer.write([long])
        #expect(block[0] == 0)
        block[0] = 0x40
        #expect(try reader.read(block) == [long])
        #expect(throws: HPACKError.unknownIndex) { try reader.read(hex("be")) }
    }

    @Test func `a table of no size keeps nothing`() throws {
        var reader = HPACKReader(tableLimit: 0)
        #expect(try reader.read(hex("20 40 01 61 01 62")) == [HPACKPair("a", "b")])
        #expect(throws: HPACKError.unknownIndex) { try reader.read(hex("be")) }
        #expect(throws: HPACKError.sizeUpdateTooLarge) { try reader.read(hex("21")) }
    }
}
