/// A tar as any program might write it, honest or not: tests say every field.
struct TarBuilder {
    private(set) var bytes: [UInt8] = []

    enum Kind: Unicode.Scalar {
        case file = "0"
        case hardLink = "1"
        case symbolicLink = "2"
        case characterDevice = "3"
        case blockDevice = "4"
        case folder = "5"
        case fifo = "6"
        case contiguous = "7"
        case unknown = "Z"
    }

    struct Fields {
        var mode = 0o644
        var user = 0
        var group = 0
        var time = 1_700_000_000
        var target = ""
        var device = (0, 0)
        var records: [(String, [UInt8])] = []
        /// What the header claims when that is not the length of the content.
        var size: Int?
        var breaksChecksum = false
    }

    mutating func add(
        _ name: String, _ kind: Kind = .file, _ content: [UInt8] = [], _ change: (inout Fields) -> Void = { _ in }
    ) {
        var fields = Fields()
        if kind == .folder { fields.mode = 0o755 }
        change(&fields)
        var records = fields.records
        if name.utf8.count > 100 { records.append(("path", Array(name.utf8))) }
        if fields.target.utf8.count > 100 { records.append(("linkpath", Array(fields.target.utf8))) }
        if !records.isEmpty {
            let body = records.flatMap { TarBuilder.record($0.0, $0.1) }
            header("pax", "x", Fields(), size: body.count)
            append(body)
        }
        header(String(name.prefix(100)), kind.rawValue, fields, size: fields.size ?? content.count)
        append(content)
    }

    mutating func file(_ name: String, _ text: String, _ change: (inout Fields) -> Void = { _ in }) {
        add(name, .file, Array(text.utf8), change)
    }

    mutating func folder(_ name: String, _ change: (inout Fields) -> Void = { _ in }) {
        add(name, .folder, [], change)
    }

    mutating func link(_ name: String, to target: String, _ kind: Kind = .symbolicLink) {
        add(name, kind, []) {
            $0.target = target
            $0.mode = 0o777
        }
    }

    mutating func whiteout(_ name: String) {
        add(name)
    }

    /// Bytes that are no tar at all, or a piece of one.
    mutating func raw(_ more: [UInt8]) {
        bytes += more
    }

    /// Content of a length, no two blocks alike.
    static func pattern(_ count: Int) -> [UInt8] {
        let piece = (0..<4099).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
        var bytes: [UInt8] = []
        while bytes.count < count { bytes += piece }
        return Array(bytes.prefix(count))
    }

    func finished() -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: 1024)
    }

    private mutating func append(_ content: [UInt8]) {
        bytes += content
        bytes.append(contentsOf: repeatElement(0, count: (512 - content.count % 512) % 512))
    }

    private static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
        let rest = [UInt8](" \(key)=".utf8) + value + [0x0a]
        var length = rest.count + 1
        while String(length).utf8.count + rest.count != length { length = String(length).utf8.count + rest.count }
        return Array(String(length).utf8) + rest
    }

    private mutating func header(_ name: String, _ type: Unicode.Scalar, _ fields: Fields, size: Int) {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { block[offset + index] = byte }
        }
        func octal(_ value: Int, _ digits: Int) -> String {
            let text = String(value, radix: 8)
            return String(repeating: "0", count: max(0, digits - text.count)) + text
        }
        put(name, at: 0)
        put(octal(fields.mode, 7), at: 100)
        put(octal(fields.user, 7), at: 108)
        put(octal(fields.group, 7), at: 116)
        put(octal(size, 11), at: 124)
        put(octal(fields.time, 11), at: 136)
        put("        ", at: 148)
        put(String(type), at: 156)
        put(String(fields.target.prefix(100)), at: 157)
        put("ustar", at: 257)
        put("00", at: 263)
        put(octal(fields.device.0, 7), at: 329)
        put(octal(fields.device.1, 7), at: 337)
        let sum = block.reduce(fields.breaksChecksum ? 7 : 0) { $0 + Int($1) }
        put(octal(sum, 6), at: 148)
        block[154] = 0
        bytes += block
    }
}
