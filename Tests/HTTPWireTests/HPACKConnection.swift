import HTTPWire

/// A field as text.
struct HPACKPair: Equatable, CustomStringConvertible {
    let name: String
    let value: String

    init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    var description: String { "\(name): \(value)" }
}

/// The reader of one connection.
struct HPACKReader: ~Copyable {
    private var decoder: HPACKDecoder
    private(set) var text: [UInt8] = []

    init(tableLimit: Int = 4096) {
        decoder = HPACKDecoder(tableLimit: tableLimit)
    }

    mutating func read(_ block: [UInt8]) throws -> [HPACKPair] {
        let fields = try ranges(block)
        return fields.map { HPACKPair(string(text[$0.name]), string(text[$0.value])) }
    }

    mutating func ranges(_ block: [UInt8]) throws -> [HPACKField] {
        text.removeAll(keepingCapacity: true)
        var fields: [HPACKField] = []
        var at = 0
        decoder.begin()
        try block.withUnsafeBytes { bytes in
            while let field = try decoder.next(bytes, &at, into: &text) { fields.append(field) }
        }
        return fields
    }
}

/// The writer of one connection.
struct HPACKWriter: ~Copyable {
    var encoder = HPACKEncoder()

    /// The memory is no larger than the bound: the writer traps when a block is.
    mutating func write(status: Int? = nil, _ fields: [(HPACKPair, HPACKIndexing)]) -> [UInt8] {
        let texts = fields.map { (Array($0.0.name.utf8), Array($0.0.value.utf8), $0.1) }
        let size = texts.reduce(0) { $0 + $1.0.count + $1.1.count }
        let bound = HPACKEncoder.bound(of: size, fields: fields.count + (status == nil ? 0 : 1))
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bound, alignment: 1)
        defer { memory.deallocate() }
        guard var writer = HeadWriter(memory) else { return [] }
        encoder.begin(&writer)
        if let status { encoder.put(status: status, &writer) }
        for (name, value, indexing) in texts {
            // Neither part is followed by a byte: what reads too far is found by a sanitizer.
            let field = value + name
            field.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                encoder.put(base, name: value.count..<field.count, value: 0..<value.count, indexing, &writer)
            }
        }
        return Array(memory[..<writer.count])
    }

    mutating func write(_ fields: [HPACKPair], _ indexing: HPACKIndexing = .incremental) -> [UInt8] {
        write(fields.map { ($0, indexing) })
    }
}

func string(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

/// Bytes written as pairs of digits, with any spaces.
func hex(_ digits: String) -> [UInt8] {
    let digits = digits.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
