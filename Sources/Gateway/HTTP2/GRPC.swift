import HTTPWire
import NIOCore

/// What a gateway says to callers of gRPC, who look for the outcome in trailers and not in the HTTP status.
enum GRPC {
    /// A failure of the gateway's own before any response, as the only head of the stream; `head` is what it says to others.
    /// Nil: it is an answer of the app.
    static func failure(_ head: ByteBuffer) -> ByteBuffer? {
        let lines = head.withUnsafeReadableBytes { ResponseLines($0) }
        guard lines.isFailure, lines.status >= 400 else { return nil }
        var out = ByteBuffer()
        var reason = "unavailable"
        var others = ""
        head.withUnsafeReadableBytes { bytes in
            var lines = HeadLines(bytes)
            while let (name, value) = lines.next() {
                let text = String(decoding: bytes[value], as: UTF8.self)
                let name = String(decoding: bytes[name], as: UTF8.self).lowercased()
                switch name {
                case "x-fcctl-error": reason = text
                case "proxy-status", "x-request-id", "retry-after", "date": break
                default: continue
                }
                others += "\(name): \(text)\r\n"
            }
        }
        out.writeString("HTTP/1.1 200 \r\ncontent-type: application/grpc\r\n")
        out.writeString("grpc-status: \(code(lines.status))\r\ngrpc-message: fcctl: \(reason)\r\n\(others)\r\n")
        return out
    }

    /// A failure after the response began, as a last chunk.
    static let brokenOff = ByteBuffer(
        string: "0\r\ngrpc-status: 14\r\n"
            + "grpc-message: fcctl: the instance closed the connection before the call was over\r\n\r\n")

    /// The table of gRPC's own mapping from HTTP statuses; 504 is the gateway's patience, not the caller's deadline.
    private static func code(_ status: Int) -> Int {
        switch status {
        case 400: 13
        case 401: 16
        case 403: 7
        case 404: 12
        case 429, 502, 503, 504: 14
        default: 2
        }
    }
}
