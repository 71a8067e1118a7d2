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
        let pseudo = try PseudoFields(headers)
        isHead = pseudo.method == "HEAD"
        var host: String?
        var cookies: [String] = []
        var hasLength = false
        var isGRPC = false
        out.writeString("\(pseudo.method) \(pseudo.path) HTTP/1.1\r\n")
        for (name, value, _) in headers where !name.utf8.starts(with: ":".utf8) {
            try FieldText.check(name: name, value: value)
            switch name {
            case "host":
                if host != nil { throw .repeatedHost }
                host = value
                continue
            case "cookie":
                cookies.append(value)
                continue
            case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
                throw .malformedFieldName
            case "content-length": hasLength = true
            case "content-type": isGRPC = GRPC.isContentType(value)
            default: break
            }
            out.writeField(name, value)
        }
        // Crumbs of one cookie field, split so that they compress (RFC 9113 8.2.3).
        if !cookies.isEmpty { out.writeField("cookie", cookies.joined(separator: "; ")) }
        if let authority = pseudo.authority ?? host { out.writeField("host", authority) }
        if let authority = pseudo.authority, let host, authority.lowercased() != host.lowercased() {
            throw .malformedHost
        }
        isChunked = !isWhole && !hasLength
        if isChunked { out.writeStaticString("transfer-encoding: chunked\r\n") }
        out.writeStaticString("\r\n")
        self.isGRPC = isGRPC
    }
}

/// The fields of a request that begin with a colon (RFC 9113 8.3.1).
private struct PseudoFields {
    var method = ""
    var path = ""
    var authority: String?

    init(_ headers: HPACKHeaders) throws(WireError) {
        var scheme = ""
        for (name, value, _) in headers where name.utf8.starts(with: ":".utf8) {
            guard value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { throw .malformedTarget }
            switch name {
            case ":method": method = value
            case ":path": path = value
            case ":scheme": scheme = value
            case ":authority": authority = value
            default: throw .malformedFieldName
            }
        }
        if method == "CONNECT" { throw .connectRefused }
        if method.isEmpty { throw .malformedRequestLine }
        guard path.utf8.starts(with: "/".utf8) || path == "*" && method == "OPTIONS" else { throw .malformedTarget }
        guard scheme == "http" || scheme == "https" else { throw .malformedTarget }
        if authority?.isEmpty ?? false { throw .malformedHost }
    }
}

/// Names and values that came as counted bytes, before they are written as lines.
enum FieldText {
    static func check(name: String, value: String) throws(WireError) {
        for byte in name.utf8 where byte <= 0x20 || byte >= 0x7f || byte == 0x3a { throw .malformedFieldName }
        if name.isEmpty { throw .malformedFieldName }
        var last: UInt8 = 0x20
        for byte in value.utf8 {
            if byte < 0x20, byte != 0x09 { throw .controlByte }
            last = byte
        }
        // White space at the ends would be lost on the way (RFC 9113 8.2.1).
        if let first = value.utf8.first, first == 0x20 || first == 0x09 || last == 0x20 || last == 0x09 {
            throw .controlByte
        }
    }
}

extension ByteBuffer {
    mutating func writeField(_ name: String, _ value: String) {
        writeString(name)
        writeStaticString(": ")
        writeString(value)
        writeStaticString("\r\n")
    }

    /// The last chunk with trailer fields. What breaks a rule in them is left out: the message is whole without it.
    mutating func writeLastChunk(_ trailers: HPACKHeaders?) {
        writeStaticString("0\r\n")
        if let trailers {
            for (name, value, _) in trailers {
                do throws(WireError) {
                    try FieldText.check(name: name, value: value)
                    writeField(name, value)
                } catch {
                    continue
                }
            }
        }
        writeStaticString("\r\n")
    }
}
