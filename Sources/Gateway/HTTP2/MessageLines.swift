import HTTPWire
import NIOCore
import NIOHPACK

/// A head that this gateway has written, taken apart again: lines without their ends, names in lower case.
struct MessageLines {
    typealias Field = (name: String, value: String)

    let start: String
    let fields: [Field]
    /// In bytes, as it was written.
    let size: Int

    /// Moves past a head. Nil when it is not whole.
    init?(reading buffer: inout ByteBuffer) {
        let parsed = buffer.withUnsafeReadableBytes { bytes -> (start: String, fields: [Field], end: Int)? in
            guard let end = Self.end(of: bytes) else { return nil }
            var at = 0
            let start = Self.line(bytes, &at)
            return (String(decoding: bytes[start], as: UTF8.self), Self.fields(bytes, &at), end)
        }
        guard let parsed else { return nil }
        (start, fields, size) = (parsed.start, parsed.fields, parsed.end)
        buffer.moveReaderIndex(forwardBy: parsed.end)
    }

    /// Of a response.
    var status: Int { start.utf8.dropFirst(9).prefix(3).reduce(0) { $0 * 10 + Int($1 & 0xf) } }

    /// How the body ends, if a field says so.
    var framing: BodyFraming? {
        for (name, value) in fields {
            switch (name.utf8.count, name) {
            case (17, "transfer-encoding"): return .chunked
            case (14, "content-length"):
                if let length = UInt64(value) { return .length(length) }
            default: break
            }
        }
        return nil
    }

    subscript(_ name: String) -> String? { fields.first { $0.name == name }?.value }

    /// The fields behind the last chunk of a body, whose size is the first line.
    static func trailers(_ bytes: UnsafeRawBufferPointer) -> [Field] {
        var at = 0
        _ = line(bytes, &at)
        return fields(bytes, &at)
    }

    private static func end(of bytes: UnsafeRawBufferPointer) -> Int? {
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

    /// The bytes of the line that begins at `at`, which moves to the next one.
    private static func line(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> Range<Int> {
        let first = at
        while at < bytes.count, bytes[at] != 0x0d { at += 1 }
        defer { at = min(at + 2, bytes.count) }
        return first..<at
    }

    /// Up to the empty line, or the end.
    private static func fields(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> [Field] {
        var fields: [Field] = []
        fields.reserveCapacity(16)
        while at < bytes.count {
            let line = line(bytes, &at)
            if line.isEmpty { break }
            guard let colon = line.first(where: { bytes[$0] == 0x3a }) else { continue }
            var value = colon + 1
            while value < line.upperBound, bytes[value] == 0x20 || bytes[value] == 0x09 { value += 1 }
            let text = String(decoding: bytes[value..<line.upperBound], as: UTF8.self)
            fields.append((lowercased(bytes[line.lowerBound..<colon]), text))
        }
        return fields
    }

    private static func lowercased(_ name: Slice<UnsafeRawBufferPointer>) -> String {
        String(unsafeUninitializedCapacity: name.count) { memory in
            for (index, byte) in name.enumerated() {
                memory.initializeElement(at: index, to: byte &- 0x41 < 26 ? byte | 0x20 : byte)
            }
            return name.count
        }
    }
}

extension HPACKHeaders {
    /// Fields that HTTP/2 does not have (RFC 9113 8.2.2) are left out.
    mutating func add(_ fields: [MessageLines.Field]) {
        for (name, value) in fields {
            // Most differ in length already, which is far cheaper to compare.
            switch (name.utf8.count, name) {
            case (10, "connection"), (17, "transfer-encoding"), (10, "keep-alive"), (16, "proxy-connection"),
                (7, "upgrade"), (4, "host"):
                continue
            case (2, "te") where value != "trailers": continue
            default: add(name: name, value: value, indexing: Self.indexing(name))
            }
        }
    }

    /// Secrets and values that differ each time are kept out of the compression tables.
    private static func indexing(_ name: String) -> NIOHPACK.HPACKIndexing {
        switch (name.utf8.count, name) {
        case (13, "authorization"), (6, "cookie"), (10, "set-cookie"): .neverIndexed
        case (12, "x-request-id"), (12, "x-latency-ms"), (13, "server-timing"), (11, "traceparent"),
            (14, "content-length"), (4, "etag"):
            .nonIndexable
        default: .indexable
        }
    }
}
