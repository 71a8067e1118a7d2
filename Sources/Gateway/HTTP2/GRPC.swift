import NIOHPACK

/// What a gateway says to callers of gRPC, who look for the outcome in trailers and not in the HTTP status.
enum GRPC {
    /// `application/grpc` and its subtypes, but not gRPC-Web, which has trailers of its own in the body.
    static func isContentType(_ value: String) -> Bool {
        let prefix = "application/grpc".utf8
        guard value.utf8.starts(with: prefix) else { return false }
        let next = value.utf8.dropFirst(prefix.count).first
        return next == nil || next == 0x2b || next == 0x3b
    }

    /// A failure before any response, as the only head of the stream.
    static func failure(_ lines: MessageLines) -> HPACKHeaders {
        var headers: HPACKHeaders = [":status": "200", "content-type": "application/grpc"]
        let reason = lines["x-fcctl-error"] ?? "unavailable"
        headers.add(name: "grpc-status", value: "\(code(lines.status))", indexing: .nonIndexable)
        headers.add(name: "grpc-message", value: "fcctl: \(reason)", indexing: .nonIndexable)
        for (name, value) in lines.fields {
            switch name {
            case "x-fcctl-error", "proxy-status", "x-request-id", "retry-after", "date":
                headers.add(name: name, value: value, indexing: .nonIndexable)
            default: break
            }
        }
        return headers
    }

    /// A failure after the response began.
    static var brokenOff: HPACKHeaders {
        ["grpc-status": "14", "grpc-message": "fcctl: the instance closed the connection before the call was over"]
    }

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
