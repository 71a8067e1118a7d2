import HTTPWire
import NIOCore
import NIOHPACK

/// A request of HTTP/2 as HTTP/1.1 says it, so that one set of rules judges and forwards both (RFC 9113 8.3).
struct RequestTranslation {
    let isHead: Bool
    /// Calls of gRPC: their failures are told in trailers.
    let isGRPC: Bool
    /// The body goes in chunks, for lack of a length.
    let isChunked: Bool

    /// Writes the head into `out`. `isWhole`: no body follows.
    init(_ headers: HPACKHeaders, isWhole: Bool, into out: inout ByteBuffer) throws(WireError) {
        var pseudo = PseudoFields()
        var host: String?
        var cookies: [String] = []
        var hasLength = false
        var isGRPC = false
        for (name, value, _) in headers {
            if name.utf8.first == 0x3a {
                try pseudo.take(name, value)
                continue
            }
            if !pseudo.isOver { try pseudo.finish(into: &out) }
            try FieldText.check(name: name, value: value)
            // Most differ in length already, which is far cheaper to compare.
            switch (name.utf8.count, name) {
            case (4, "host"):
                if host != nil { throw .repeatedHost }
                host = value
                continue
            case (6, "cookie"):
                cookies.append(value)
                continue
            case (10, "connection"), (16, "proxy-connection"), (10, "keep-alive"), (17, "transfer-encoding"),
                (7, "upgrade"):
                throw .malformedFieldName
            case (2, "te"):
                if value != "trailers" { throw .malformedFieldName }
            case (14, "content-length"): hasLength = true
            case (12, "content-type"): isGRPC = GRPC.isContentType(value)
            default: break
            }
            out.writeField(name, value)
        }
        if !pseudo.isOver { try pseudo.finish(into: &out) }
        // Crumbs of one cookie field, split so that they compress (RFC 9113 8.2.3).
        if !cookies.isEmpty { out.writeField("cookie", cookies.joined(separator: "; ")) }
        if let authority = pseudo.authority ?? host { out.writeField("host", authority) }
        if let authority = pseudo.authority, let host, authority.lowercased() != host.lowercased() {
            throw .malformedHost
        }
        isHead = pseudo.method == "HEAD"
        isChunked = !isWhole && !hasLength
        if isChunked { out.writeStaticString("transfer-encoding: chunked\r\n") }
        out.writeStaticString("\r\n")
        self.isGRPC = isGRPC
    }
}

/// The fields of a request that begin with a colon: each once, before all others (RFC 9113 8.3.1).
private struct PseudoFields {
    private(set) var method: String?
    private(set) var authority: String?
    private(set) var isOver = false
    private var path: String?
    private var scheme: String?

    mutating func take(_ name: String, _ value: String) throws(WireError) {
        if isOver { throw .malformedFieldName }
        guard FieldText.isVisible(value) else { throw .malformedTarget }
        switch name {
        case ":method": try Self.set(&method, value)
        case ":path": try Self.set(&path, value)
        case ":scheme": try Self.set(&scheme, value)
        case ":authority": try Self.set(&authority, value)
        default: throw .malformedFieldName
        }
    }

    private static func set(_ field: inout String?, _ value: String) throws(WireError) {
        if field != nil { throw .malformedRequestLine }
        field = value
    }

    /// Checks what they say together, and writes the request line.
    mutating func finish(into out: inout ByteBuffer) throws(WireError) {
        isOver = true
        guard let method, !method.isEmpty else { throw .malformedRequestLine }
        if method == "CONNECT" { throw .connectRefused }
        guard let path, path.utf8.first == 0x2f || path == "*" && method == "OPTIONS" else { throw .malformedTarget }
        guard scheme == "http" || scheme == "https" else { throw .malformedTarget }
        if authority?.isEmpty ?? false { throw .malformedHost }
        out.writeString(method)
        out.writeStaticString(" ")
        out.writeString(path)
        out.writeStaticString(" HTTP/1.1\r\n")
    }
}

/// Names and values that came as counted bytes, before they are written as lines. The parser of these lines judges the rest.
enum FieldText {
    static func check(name: String, value: String) throws(WireError) {
        guard !name.isEmpty, all(name, { $0 > 0x20 && $0 < 0x7f && $0 != 0x3a && $0 &- 0x41 >= 26 }) else {
            throw .malformedFieldName
        }
        guard all(value, { $0 >= 0x20 || $0 == 0x09 }) else { throw .controlByte }
        // White space at the ends would be lost on the way (RFC 9113 8.2.1).
        if isBlank(value.utf8.first) || isBlank(value.utf8.last) { throw .controlByte }
    }

    /// Trailers end a message; what breaks a rule in them breaks the message.
    static func check(_ trailers: HPACKHeaders) throws(WireError) {
        for (name, value, _) in trailers { try check(name: name, value: value) }
    }

    static func isVisible(_ value: String) -> Bool { all(value) { $0 > 0x20 && $0 < 0x7f } }

    private static func isBlank(_ byte: UInt8?) -> Bool { byte == 0x20 || byte == 0x09 }

    @inline(__always)
    private static func all(_ text: String, _ isGood: (UInt8) -> Bool) -> Bool {
        // Strings that the header decoder makes are contiguous.
        text.utf8.withContiguousStorageIfAvailable { $0.allSatisfy(isGood) } ?? text.utf8.allSatisfy(isGood)
    }
}

extension ByteBuffer {
    mutating func writeField(_ name: String, _ value: String) {
        writeString(name)
        writeStaticString(": ")
        writeString(value)
        writeStaticString("\r\n")
    }

    /// The last chunk with trailer fields, which have been checked.
    mutating func writeLastChunk(_ trailers: HPACKHeaders?) {
        writeStaticString("0\r\n")
        if let trailers {
            for (name, value, _) in trailers { writeField(name, value) }
        }
        writeStaticString("\r\n")
    }
}
