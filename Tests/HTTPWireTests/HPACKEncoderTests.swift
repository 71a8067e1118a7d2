import HTTPWire
import Testing

@Suite struct HPACKEncoderTests {
    @Test func `requests are written as in the RFC's appendix C.4`() {
        var writer = HPACKWriter()
        for (block, fields) in HPACKExample.packedRequests.blocks {
            #expect(writer.write(fields.map(pair)) == hex(block))
        }
    }

    @Test func `responses are written as in the RFC's appendix C.6, after the table's size`() throws {
        var writer = HPACKWriter()
        writer.encoder.setTableLimit(256)
        let blocks = HPACKExample.packedResponses.blocks
        #expect(writer.write(blocks[0].1.map(pair)) == hex("3fe1 01" + blocks[0].0))
        // "307" is no shorter with Huffman codes.
        #expect(writer.write(blocks[1].1.map(pair)) == hex("4803 3330 37c1 c0bf"))
        #expect(writer.write(blocks[2].1.map(pair)) == hex(blocks[2].0))
    }

    @Test func `names are written in lower case, whatever case they have`() throws {
        var writer = HPACKWriter()
        var reader = HPACKReader()
        let names = ["X", "Ab", "X-Y", "Etag", "X-Cache", "X-Cached", "X-Cache-Hits-[@`{Z", "Content-Type", "Ä-É"]
        for spelled in [names, names.map { $0.uppercased() }, names.map { $0.lowercased() }, names] {
            for indexing in [HPACKIndexing.incremental, .name, .none, .never] {
                let block = writer.write(spelled.map { HPACKPair($0, "1") }, indexing)
                #expect(try reader.read(block) == spelled.map { HPACKPair(lowered($0), "1") })
            }
        }
        #expect(writer.write(names.map { HPACKPair($0, "1") }).count == names.count)
    }

    @Test func `a name is written once, and a value that is not to be indexed each time`() {
        var writer = HPACKWriter()
        #expect(writer.write([HPACKPair("x-a", "1")]) == hex("40 03 782d 61 01 31"))
        #expect(writer.write([HPACKPair("x-a", "2")], .none) == hex("0f 2f 01 32"))
        #expect(writer.write([HPACKPair("x-a", "2")], .none) == hex("0f 2f 01 32"))
        #expect(writer.write([HPACKPair("x-a", "1")]) == hex("be"))
        #expect(writer.write([HPACKPair(":method", "GET")], .none) == hex("82"))
    }

    @Test func `heads that are nearly alike are read as they were written, whatever leaves the table meanwhile`() throws
    {
        var writer = HPACKWriter()
        var reader = HPACKReader()
        let seed = UInt64.random(in: .min ... .max)
        print("seed \(seed)")
        var random = SeededGenerator(seed: seed)
        var fields = (0..<12).map { HPACKPair("x-field-\($0 % 9)", "value \($0)") }
        for round in 0..<2000 {
            switch random.next(upperBound: UInt64(8)) {
            case 0: fields.swapAt(Int.random(in: 0..<12, using: &random), Int.random(in: 0..<12, using: &random))
            case 1: fields[Int.random(in: 0..<12, using: &random)] = HPACKPair("x-field-1", "round \(round)")
            case 2: fields[Int.random(in: 0..<12, using: &random)] = HPACKPair("X-Field-1", "value 1")
            case 3 where round % 50 == 0: writer.encoder.setTableLimit(Int.random(in: 0...600, using: &random))
            default: break
            }
            let indexing: HPACKIndexing = round % 7 == 0 ? .name : .incremental
            let some = fields.filter { _ in Int.random(in: 0..<9, using: &random) > 0 }
            let block = writer.write(some, indexing)
            #expect(try reader.read(block) == some.map { HPACKPair(lowered($0.name), $0.value) })
        }
    }

    @Test func `a name alone may be kept, with the first of its values`() throws {
        var writer = HPACKWriter()
        #expect(writer.write([HPACKPair("x-a", "1")], .name) == hex("40 03 782d 61 01 31"))
        #expect(writer.write([HPACKPair("x-a", "2")], .name) == hex("0f 2f 01 32"))
        #expect(writer.write([HPACKPair("date", "2")], .name) == hex("0f 12 01 32"))
    }

    @Test func `what is never to be indexed is always a literal that says so`() {
        var writer = HPACKWriter()
        #expect(writer.write([HPACKPair("x-a", "1")]).first == 0x40)
        #expect(writer.write([HPACKPair("x-a", "1")], .never) == hex("1f 2f 01 31"))
        #expect(writer.write([HPACKPair(":method", "GET")], .never).first == 0x12)
        #expect(writer.write([HPACKPair("x-b", "1")], .never).first == 0x10)
    }

    @Test func `a status is an index, or three digits that become one`() throws {
        var writer = HPACKWriter()
        var reader = HPACKReader()
        for status in 100...999 {
            #expect(try reader.read(writer.write(status: status, [])) == [HPACKPair(":status", "\(status)")])
        }
        #expect(writer.write(status: 200, []) == hex("88"))
        #expect(writer.write(status: 999, []) == hex("be"))
    }

    @Test func `changes of the table's size are said in the next block`() throws {
        var writer = HPACKWriter()
        var reader = HPACKReader()
        func block(_ sizes: Int...) throws -> [UInt8] {
            for size in sizes { writer.encoder.setTableLimit(size) }
            let block = writer.write([HPACKPair("x-a", "1")])
            #expect(try reader.read(block) == [HPACKPair("x-a", "1")])
            return block
        }
        #expect(try block().first == 0x40)
        #expect(try block() == hex("be"))
        #expect(try block(4096) == hex("be"))
        #expect(try block(65_536) == hex("be"))
        #expect(try block(100) == hex("3f45 be"))
        #expect(try block(100) == hex("be"))
        #expect(try block(4096) == hex("3fe1 1f be"))
        #expect(try block(0, 4096).prefix(5) == hex("20 3fe1 1f 40")[...])
        #expect(try block(100, 50, 4096) == hex("3f13 3fe1 1f be"))
        #expect(try block(4096, 100, 50) == hex("3f13 be"))
        #expect(try block(0).prefix(2) == hex("20 00")[...])
        #expect(try block().prefix(1) == hex("00")[...])
    }

    @Test func `a field that is larger than the table leaves the table as it is`() throws {
        var writer = HPACKWriter()
        _ = writer.write([HPACKPair("x-a", "1")])
        _ = writer.write([HPACKPair("x-b", String(repeating: "~", count: 5000))])
        #expect(writer.write([HPACKPair("x-a", "1")]) == hex("be"))
    }
}

private func pair(_ line: String) -> HPACKPair {
    let parts = line.split(separator: ": ", maxSplits: 1).map(String.init)
    return HPACKPair(parts[0], parts[1])
}

/// ASCII letters in lower case.
func lowered(_ text: String) -> String {
    String(decoding: text.utf8.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
}
