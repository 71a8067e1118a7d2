import HTTPWire
import NIOCore
import NIOHPACK

/// A head that this gateway has written, taken apart again: lines without their ends.
struct MessageLines {
    let start: Substring
    let fields: [(name: String, value: String)]

    /// Moves past a head. Nil when it is not whole.
    init?(reading buffer: inout ByteBuffer) {
        let end = buffer.withUnsafeReadableBytes { bytes -> Int? in
            var at = 3
            while at < bytes.count {
                // The last byte of CR LF CR LF tells how far the next one can be.
                switch bytes[at] {
                case 0x0a where bytes[at - 1] == 0x0d && bytes[at - 2] == 0x0a && bytes[at - 3] == 0x0d: return at + 1
                case 0x0a: at += 2
                case 0x0d: at += 1
                default: at += 4
                }
            }
            return nil
        }
        guard let end, let text = buffer.readString(length: end) else { return nil }
        self.init(text)
    }

    /// Of a response.
    var status: Int { Int(start.dropFirst(9).prefix(3)) ?? 502 }

    /// How the body ends, if a field says so.
    var framing: BodyFraming? {
        for (name, value) in fields {
            if name == "transfer-encoding" { return .chunked }
            if name == "content-length", let length = UInt64(value) { return .length(length) }
        }
        return nil
    }

    subscript(_ name: String) -> String? { fields.first { $0.name == name }?.value }

    /// The lines of a trailer section have no start line.
    static func trailers(_ text: String) -> [(name: String, value: String)] {
        MessageLines("\r\n" + text).fields
    }

    private init(_ text: String) {
        var lines = text.utf8.split(separator: 0x0d, omittingEmptySubsequences: false)[...]
        start = Substring(lines.popFirst() ?? ""[...].utf8)
        fields = lines.compactMap { line in
            let line = line.dropFirst()
            guard let colon = line.firstIndex(of: 0x3a) else { return nil }
            let value = line[line.index(after: colon)...].drop { $0 == 0x20 }
            return (String(Substring(line[..<colon])).lowercased(), String(Substring(value)))
        }
    }
}

extension HPACKHeaders {
    /// Fields that HTTP/2 does not have (RFC 9113 8.2.2) are left out.
    mutating func add(_ fields: [(name: String, value: String)]) {
        for (name, value) in fields {
            switch name {
            case "connection", "transfer-encoding", "keep-alive", "proxy-connection", "upgrade", "host": continue
            case "te" where value != "trailers": continue
            default: add(name: name, value: value, indexing: Self.indexing(name))
            }
        }
    }

    /// Secrets and values that differ each time are kept out of the compression tables.
    private static func indexing(_ name: String) -> HPACKIndexing {
        switch name {
        case "authorization", "cookie", "set-cookie": .neverIndexed
        case "x-request-id", "x-latency-ms", "server-timing", "traceparent", "content-length", "etag": .nonIndexable
        default: .indexable
        }
    }
}
