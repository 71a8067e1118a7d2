import Glibc
import HTTPWire
import NIOCore
import NIOHPACK
import Testing

/// Against NIOHPACK, over many blocks of a connection. The seed is that of `FuzzTests`.
@Suite struct HPACKFuzzTests {
    static let runs = getenv("FCCTL_FUZZ_RUNS").flatMap { Int(String(cString: $0)) } ?? 100_000

    @Test func `what the encoder writes means the same to NIOHPACK and to the decoder`() throws {
        var generator = SeededGenerator(seed: FuzzTests.seed)
        for connection in 0..<max(1, Self.runs / 2000) {
            var writer = HPACKWriter()
            var reader = HPACKReader()
            var theirs = NIOHPACK.HPACKDecoder(allocator: ByteBufferAllocator())
            theirs.maxHeaderListSize = 1 << 20
            for block in 0..<25 {
                for _ in 0..<Int.random(in: -3...2, using: &generator).magnitude where Bool.random(using: &generator) {
                    writer.encoder.setTableLimit(HPACKTexts.tableSize(&generator))
                }
                let status = Bool.random(using: &generator) ? Int.random(in: 100...599, using: &generator) : nil
                let fields = HPACKTexts.fields(&generator)
                let bytes = writer.write(status: status, fields)
                let sent =
                    (status.map { [HPACKPair(":status", "\($0)")] } ?? [])
                    + fields.map { HPACKPair(lowered($0.0.name), $0.0.value) }
                let read = try? reader.read(bytes)
                let other = try? Self.read(&theirs, bytes)
                guard read == sent, other == sent else {
                    let place = "seed \(FuzzTests.seed) connection \(connection) block \(block)"
                    Issue.record("\(place): \(sent) as \(bytes) is \(read ?? []), for NIOHPACK \(other ?? [])")
                    return
                }
            }
        }
    }

    @Test func `what NIOHPACK writes is read as it was meant`() throws {
        var generator = SeededGenerator(seed: FuzzTests.seed)
        for connection in 0..<max(1, Self.runs / 2000) {
            var reader = HPACKReader()
            var theirs = NIOHPACK.HPACKEncoder(
                allocator: ByteBufferAllocator(), useHuffmanEncoding: Bool.random(using: &generator))
            for block in 0..<25 {
                if Int.random(in: 0..<4, using: &generator) == 0 {
                    try theirs.setDynamicTableSize(HPACKTexts.tableSize(&generator))
                }
                let fields = HPACKTexts.fields(&generator).map { (HPACKPair(lowered($0.0.name), $0.0.value), $0.1) }
                let bytes = try Self.write(&theirs, fields)
                let read = try? reader.read(bytes)
                guard read == fields.map(\.0) else {
                    let place = "seed \(FuzzTests.seed) connection \(connection) block \(block)"
                    Issue.record("\(place): \(fields) as \(bytes) is \(read ?? [])")
                    return
                }
            }
        }
    }

    @Test func `mutated blocks mean the same to NIOHPACK, or are refused by both`() throws {
        var generator = SeededGenerator(seed: FuzzTests.seed)
        var refused = 0
        let runs = max(1, Self.runs / 200)
        for run in 0..<runs {
            var writer = HPACKWriter()
            let first = writer.write(HPACKTexts.fields(&generator))
            var before = NIOHPACK.HPACKDecoder(allocator: ByteBufferAllocator())
            before.maxHeaderListSize = 1 << 20
            _ = try Self.read(&before, first)
            let second = writer.write(HPACKTexts.fields(&generator))
            for _ in 0..<8 {
                let bytes = HPACKTexts.mutate(second, &generator)
                var reader = HPACKReader()
                _ = try reader.ranges(first)
                var theirs = before
                let ours = Result { try reader.read(bytes) }
                let other = Result { try Self.read(&theirs, bytes) }
                if case .failure = ours { refused += 1 }
                guard !Self.agree(ours, other) else { continue }
                let place = "seed \(FuzzTests.seed) run \(run)"
                Issue.record("\(place): \(bytes) after \(first) is \(ours), for NIOHPACK \(other)")
                return
            }
        }
        #expect(refused > runs && refused < 8 * runs)
    }

    @Test func `no bytes crash the decoder, and its ranges are in the text`() throws {
        var generator = SeededGenerator(seed: FuzzTests.seed)
        var reader = HPACKReader()
        var writer = HPACKWriter()
        var corpus: [[UInt8]] = HPACKTests.malformed.flatMap { $0.blocks.map(hex) }
        for _ in 0..<200 { corpus.append(writer.write(HPACKTexts.fields(&generator))) }
        for run in 0..<Self.runs {
            let chosen = corpus[Int.random(in: 0..<corpus.count, using: &generator)]
            let bytes = HPACKTexts.mutate(run % 4 == 0 ? generator.bytes(upTo: 40) : chosen, &generator)
            guard let fields = try? reader.ranges(bytes) else {
                // Real connections end here; a table in any state is worth as much as a new one.
                if run % 64 == 0 { reader = HPACKReader(tableLimit: HPACKTexts.tableSize(&generator)) }
                continue
            }
            var end = 0
            for field in fields {
                let isInside = field.name.lowerBound == end && field.value.lowerBound == field.name.upperBound + 2
                end = field.value.upperBound + 2
                if isInside, end <= reader.text.count { continue }
                Issue.record("seed \(FuzzTests.seed) run \(run): \(bytes) has \(field)")
                return
            }
            #expect(end == reader.text.count)
        }
    }

    /// Theirs refuses names of no bytes, which HTTP forbids and HPACK does not, and takes longer integers.
    private static func agree(_ ours: Result<[HPACKPair], any Error>, _ theirs: Result<[HPACKPair], any Error>) -> Bool
    {
        switch (ours, theirs) {
        case (.success(let fields), .success(let others)): fields == others
        case (.success(let fields), .failure): fields.contains { $0.name.isEmpty }
        case (.failure, .failure): true
        case (.failure(let error), .success): error as? HPACKError == .integerTooLarge
        }
    }

    private static func read(_ decoder: inout NIOHPACK.HPACKDecoder, _ bytes: [UInt8]) throws -> [HPACKPair] {
        var buffer = ByteBuffer(bytes: bytes)
        return try decoder.decodeHeaders(from: &buffer).map { HPACKPair($0.name, $0.value) }
    }

    private static func write(
        _ encoder: inout NIOHPACK.HPACKEncoder, _ fields: [(HPACKPair, HTTPWire.HPACKIndexing)]
    ) throws -> [UInt8] {
        var headers = HPACKHeaders()
        for (pair, indexing) in fields {
            let theirs: NIOHPACK.HPACKIndexing =
                switch indexing {
                case .incremental, .name: .indexable
                case .none: .nonIndexable
                case .never: .neverIndexed
                }
            headers.add(name: pair.name, value: pair.value, indexing: theirs)
        }
        var buffer = ByteBuffer()
        try encoder.encode(headers: headers, to: &buffer)
        return Array(buffer.readableBytesView)
    }
}

/// Random fields: few names and values, so that they come again, among others that do not.
private enum HPACKTexts {
    private static let names = [
        ":method", ":path", ":status", "accept-encoding", "Content-Type", "content-type", "Date", "ETag", "x-a", "X-B",
        "X-Request-ID", "x-request-idx", "set-cookie", "www-authenticate", "X-Forwarded-For-A-Long-Way", "via", "vib",
    ]
    private static let values = [
        "", "GET", "/", "200", "gzip, deflate", "no-cache", "Mon, 21 Oct 2013 20:13:21 GMT", "1", "12", "1234567",
        "12345678", "123456789", "\u{e9}\u{20ac}\u{1f600}", "\u{1}\u{7f}\t\u{0}", "~~~~~~~~~~~~", "<\\^`{|}>",
    ]

    static func fields(_ generator: inout SeededGenerator) -> [(HPACKPair, HTTPWire.HPACKIndexing)] {
        (0..<Int.random(in: 0...8, using: &generator)).map { _ in
            let isKnown = Int.random(in: 0..<8, using: &generator) != 0
            let name = isKnown ? pick(names, &generator) : text(1...40, &generator)
            let value = Bool.random(using: &generator) ? pick(values, &generator) : text(0...300, &generator)
            return (
                HPACKPair(name, value),
                pick([.incremental, .incremental, .incremental, .name, .none, .never], &generator)
            )
        }
    }

    static func tableSize(_ generator: inout SeededGenerator) -> Int {
        pick([0, 1, 32, 64, 100, 256, 1000, 2048, 4095, 4096], &generator)
    }

    static func mutate(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 0...3, using: &generator) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: bytes[at] = UInt8.random(in: .min ... .max, using: &generator)
            case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 2: bytes.remove(at: at)
            case 3: bytes.insert(pick([0, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xbe, 0xff], &generator), at: at)
            case 4: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 12)], at: at)
            default: bytes.removeSubrange(at...)
            }
        }
        return bytes
    }

    private static func text(_ lengths: ClosedRange<Int>, _ generator: inout SeededGenerator) -> String {
        let length = Int.random(
            in: Bool.random(using: &generator) ? lengths.lowerBound...12 : lengths, using: &generator)
        return String(
            decoding: (0..<length).map { _ in UInt8.random(in: 0x20...0x7e, using: &generator) }, as: UTF8.self)
    }

    private static func pick<Element>(_ elements: [Element], _ generator: inout SeededGenerator) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &generator)]
    }
}

extension SeededGenerator {
    fileprivate mutating func bytes(upTo count: Int) -> [UInt8] {
        (0..<Int.random(in: 0...count, using: &self)).map { _ in UInt8.random(in: .min ... .max, using: &self) }
    }
}
