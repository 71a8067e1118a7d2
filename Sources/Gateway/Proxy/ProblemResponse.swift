import NIOCore

/// A response made by the gateway itself: a problem of RFC 9457, or the same as a page for a browser.
struct ProblemResponse {
    let failure: ProxyFailure
    let requestID: String
    let prefersHTML: Bool

    static func title(_ status: Int) -> String {
        switch status {
        case 400: "Bad Request"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 411: "Length Required"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 431: "Request Header Fields Too Large"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: "Error"
        }
    }

    /// The whole response. `isHead`: without its body.
    func write(to out: inout ByteBuffer, date: [UInt8], closes: Bool, isHead: Bool) {
        let body = prefersHTML ? page : problem
        var head = "HTTP/1.1 \(failure.status) \(Self.title(failure.status))\r\n"
        head += "Content-Type: \(prefersHTML ? "text/html; charset=utf-8" : "application/problem+json")\r\n"
        head += "Content-Length: \(body.utf8.count)\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        if failure.status == 405 { head += "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n" }
        if let seconds = failure.retryAfter { head += "Retry-After: \(seconds)\r\n" }
        head += "X-Fcctl-Error: \(failure.label)\r\nProxy-Status: fcctl; error=\(failure.proxyStatus)\r\n"
        head += "X-Request-Id: \(requestID)\r\n"
        if closes { head += "Connection: close\r\n" }
        out.writeString(head)
        out.writeBytes(date)
        out.writeString("\r\n")
        if !isHead { out.writeString(body) }
    }

    func bodyCount(isHead: Bool) -> Int { isHead ? 0 : (prefersHTML ? page : problem).utf8.count }

    private var problem: String {
        """
        {"type":"about:blank","title":"\(Self.title(failure.status))","status":\(failure.status),\
        "detail":"\(failure.detail)","code":"\(failure.label)","origin":"\(failure.origin.rawValue)",\
        "request_id":"\(Self.escaped(requestID))"}\n
        """
    }

    private var page: String {
        let title = "\(failure.status) \(Self.title(failure.status))"
        return """
            <!doctype html><html lang="en"><meta charset="utf-8"><title>\(title)</title>\
            <h1>\(title)</h1><p>\(failure.detail)</p><p>Request \(Self.escaped(requestID))</p></html>\n
            """
    }

    /// A request id may come from the client: only what means nothing in JSON and HTML is shown.
    private static func escaped(_ text: String) -> String {
        String(text.unicodeScalars.map { "\"\\<>&'".unicodeScalars.contains($0) ? "_" : Character($0) })
    }
}
