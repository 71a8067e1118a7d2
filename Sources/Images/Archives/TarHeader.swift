/// One 512-byte header of a tar archive, checked by its own sum.
struct TarHeader {
    let name: String
    let target: String
    let size: UInt64
    let type: Character

    /// nil when the checksum or a number is wrong.
    init?(_ block: [UInt8]) {
        guard block.count == 512, let stored = TarHeader.number(block[148..<156]) else { return nil }
        var sum: UInt64 = 0
        for (index, byte) in block.enumerated() { sum += (148..<156).contains(index) ? 32 : UInt64(byte) }
        guard sum == stored, let size = TarHeader.number(block[124..<136]) else { return nil }
        self.size = size
        type = Character(Unicode.Scalar(block[156]))
        target = TarHeader.text(block[157..<257])
        let isPOSIX = block[257..<263].elementsEqual(Array("ustar\0".utf8))
        let prefix = isPOSIX ? TarHeader.text(block[345..<500]) : ""
        let short = TarHeader.text(block[0..<100])
        name = prefix.isEmpty ? short : prefix + "/" + short
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    /// Octal digits, or the base-256 form for sizes beyond 8 GiB.
    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64? {
        if let first = bytes.first, first & 0x80 != 0 {
            guard first == 0x80, bytes.dropFirst().dropLast(8).allSatisfy({ $0 == 0 }) else { return nil }
            let value = bytes.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return value <= UInt64(Int64.max) ? value : nil
        }
        var value: UInt64 = 0
        for byte in bytes where byte != 0x20 && byte != 0 {
            guard (0x30...0x37).contains(byte) else { return nil }
            value = value << 3 | UInt64(byte - 0x30)
        }
        return value
    }
}

/// The records of a PAX header that say where a member is.
struct PAXRecords {
    var path: String?
    var target: String?
    var size: UInt64?

    init() {}

    init(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while let space = rest.firstIndex(of: 0x20),
            let length = Int(String(decoding: rest[..<space], as: UTF8.self)), length > space - rest.startIndex,
            length <= rest.count
        {
            let record = rest[rest.index(after: space)..<(rest.startIndex + length)]
            rest = rest[(rest.startIndex + length)...]
            guard let equals = record.firstIndex(of: 0x3d) else { continue }
            let value = String(decoding: record[record.index(after: equals)...].dropLast(), as: UTF8.self)
            switch String(decoding: record[..<equals], as: UTF8.self) {
            case "path": path = value
            case "linkpath": target = value
            case "size": size = UInt64(value).flatMap { $0 <= UInt64(Int64.max) ? $0 : nil }
            default: break
            }
        }
    }
}
