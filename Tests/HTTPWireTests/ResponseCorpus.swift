import HTTPWire

enum ResponseVerdict: Sendable {
    /// Accepted with this framing; these pieces are in what reaches the client, and the others are not.
    case forwards(BodyFraming, [String] = [], without: [String] = [])
    case refused(WireError)
    case incomplete
}

/// What a guest may say, and what becomes of it. A guest is hostile.
struct ResponseCase: Sendable, CustomStringConvertible {
    let rule: String
    let bytes: [UInt8]
    let isHead: Bool
    let verdict: ResponseVerdict

    var description: String { rule }

    init(_ rule: String, _ head: String, isHead: Bool = false, _ verdict: ResponseVerdict) {
        self.rule = rule
        bytes = Array(head.utf8)
        self.isHead = isHead
        self.verdict = verdict
    }

    static func field(_ rule: String, _ lines: String, isHead: Bool = false, _ verdict: ResponseVerdict) -> ResponseCase
    {
        ResponseCase(rule, "HTTP/1.1 200 OK\r\n\(lines)\r\n\r\n", isHead: isHead, verdict)
    }
}

enum ResponseCorpus {
    static let all: [ResponseCase] = [
        .init(
            "9112 4: a status line", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            .forwards(.length(0), ["HTTP/1.1 200 OK\r\n"])),
        .init(
            "9112 4: no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
            .forwards(.length(0), ["HTTP/1.1 200 \r\n"])),
        .init(
            "9112 4: no reason and no space", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
            .forwards(.length(0), ["HTTP/1.1 200 \r\n"])),
        .init(
            "9112 4: a reason above ASCII", "HTTP/1.1 200 É\r\nContent-Length: 0\r\n\r\n",
            .forwards(.length(0), ["200 É\r\n"])),
        .init("9112 4: an unfinished status line", "HTTP/1.1 20", .incomplete),
        .init("9112 4: an unfinished head", "HTTP/1.1 200 OK\r\nA: b\r\n", .incomplete),
        .init("9112 4: two digits", "HTTP/1.1 20 OK\r\n\r\n", .refused(.malformedStatusLine)),
        .init("9112 4: four digits", "HTTP/1.1 2000 OK\r\n\r\n", .refused(.malformedStatusLine)),
        .init("9112 4: letters", "HTTP/1.1 2x0 OK\r\n\r\n", .refused(.malformedStatusLine)),
        .init("9110 15: below 100", "HTTP/1.1 099 OK\r\n\r\n", .refused(.malformedStatusLine)),
        .init("9110 15: above 599", "HTTP/1.1 600 OK\r\n\r\n", .refused(.malformedStatusLine)),
        .init("9112 4: a sign", "HTTP/1.1 -20 OK\r\n\r\n", .refused(.malformedStatusLine)),
        .init("9112 4: two spaces", "HTTP/1.1  200 OK\r\n\r\n", .refused(.malformedStatusLine)),
        .init("9112 2.3: HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", .refused(.malformedStatusLine)),
        .init("9112 2.3: HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", .refused(.malformedStatusLine)),
        .init("9112 2.3: ICY", "ICY 200 OK\r\n\r\n", .refused(.malformedStatusLine)),
        .init("no HTTP at all", "220 mail ready\r\n", .refused(.malformedStatusLine)),
        .init("a TLS alert", "\u{15}\u{3}\u{1}", .refused(.malformedStatusLine)),
        .init("an empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", .refused(.malformedStatusLine)),
        .init("9112 2.2: bare LF after the status line", "HTTP/1.1 200 OK\nA: b\r\n\r\n", .refused(.bareLineFeed)),
        .init("9112 2.2: bare CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", .refused(.bareCarriageReturn)),
        .init("NUL in the reason", "HTTP/1.1 200 O\u{0}K\r\n\r\n", .refused(.malformedStatusLine)),
        .init(
            "an endless reason", "HTTP/1.1 200 \(String(repeating: "x", count: 20_000))\r\n\r\n",
            .refused(.fieldTooLarge)),
        .field("9112 5.1: a space before the colon", "A : b", .refused(.spaceBeforeColon)),
        .field("9112 5.2: a folded line", "A: b\r\n c", .refused(.foldedField)),
        .field("9110 5.5: NUL in a value", "A: \u{0}", .refused(.controlByte)),
        .field("9112 2.2: bare LF splits a value", "A: b\nSet-Cookie: c", .refused(.bareLineFeed)),
        .field("9112 2.2: bare CR splits a value", "A: b\rSet-Cookie: c", .refused(.bareCarriageReturn)),
        .field("9110 5.1: no colon", "Abc", .refused(.malformedFieldName)),
        .field(
            "endless fields", Array(repeating: "A: b", count: 200).joined(separator: "\r\n"), .refused(.tooManyFields)),
        .field("an endless field", "A: \(String(repeating: "x", count: 20_000))", .refused(.fieldTooLarge)),
        .field("9112 6.3: a length", "Content-Length: 007", .forwards(.length(7), ["Content-Length: 7\r\n"])),
        .field("9112 6.3: no framing", "A: b", .forwards(.untilClose, ["Transfer-Encoding: chunked\r\n"])),
        .field(
            "9112 6.3: chunked", "Transfer-Encoding: chunked", .forwards(.chunked, ["Transfer-Encoding: chunked\r\n"])),
        .field("9112 6.3: two lengths", "Content-Length: 1\r\nContent-Length: 2", .refused(.repeatedLength)),
        .field("9112 6.3: twice the same length", "Content-Length: 1\r\nContent-Length: 1", .refused(.repeatedLength)),
        .field("9112 6.3: a list of lengths", "Content-Length: 1, 1", .refused(.malformedLength)),
        .field("9112 6.3: a negative length", "Content-Length: -1", .refused(.malformedLength)),
        .field("9112 6.3: an overflowing length", "Content-Length: 18446744073709551616", .refused(.malformedLength)),
        .field(
            "9112 6.1: length and coding", "Content-Length: 1\r\nTransfer-Encoding: chunked",
            .refused(.conflictingFraming)),
        .field("9112 6.1: an unknown coding", "Transfer-Encoding: gzip", .refused(.unknownCoding)),
        .field(
            "9112 6.1: two codings in two fields", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
            .refused(.malformedCoding)),
        .field("9112 6.1: chunked twice", "Transfer-Encoding: chunked,chunked", .refused(.malformedCoding)),
        .init(
            "9112 6.1: a coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            .refused(.codingOnHTTP10)),
        .init("HTTP/1.0 ends with the connection", "HTTP/1.0 200 OK\r\n\r\n", .forwards(.untilClose)),
        .init(
            "204 has no body", "HTTP/1.1 204 No Content\r\n\r\n",
            .forwards(.none, ["204 No Content\r\n"], without: ["Transfer", "Content-Length"])),
        .init("204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", .refused(.conflictingFraming)),
        .init(
            "204 with a coding", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
            .refused(.conflictingFraming)),
        .init(
            "304 keeps its length and has no body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            .forwards(.none, ["Content-Length: 5\r\n"])),
        .init("103 has no body", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", .forwards(.none)),
        .init("100 with a length", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", .refused(.conflictingFraming)),
        .init(
            "101 nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            .refused(.unexpectedStatus)),
        .field(
            "HEAD keeps the length and has no body", "Content-Length: 5", isHead: true,
            .forwards(.none, ["Content-Length: 5\r\n"])),
        .field(
            "HEAD without framing has no body", "A: b", isHead: true,
            .forwards(.none, without: ["Transfer", "Content-Length"])),
        .field(
            "hop-by-hop fields go",
            "Connection: x-a\r\nX-A: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\nContent-Length: 0",
            .forwards(.length(0), without: ["X-A", "Keep-Alive", "Proxy-"])),
        .field(
            "Connection cannot strip the length", "Connection: content-length\r\nContent-Length: 0",
            .forwards(.length(0), ["Content-Length: 0"])),
        .field(
            "X-Instance-* is ours to say",
            "X-Instance-Id: evil\r\nX-Instance-Foo: evil\r\nX-Latency-Ms: evil\r\nContent-Length: 0",
            .forwards(.length(0), ["X-Instance-Id: m1\r\n", "X-Latency-Ms: 1.042\r\n"], without: ["evil"])),
        .field(
            "the request id is ours to say", "X-Request-Id: evil\r\nContent-Length: 0",
            .forwards(.length(0), ["X-Request-Id: id-1\r\n"], without: ["evil"])),
        .field(
            "each Set-Cookie stays, in order", "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0",
            .forwards(.length(0), ["Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"])),
        .field("9110 6.6.1: a Date is added", "Content-Length: 0", .forwards(.length(0), ["Date: now\r\n"])),
        .field(
            "9110 6.6.1: a Date is kept", "Date: then\r\nContent-Length: 0",
            .forwards(.length(0), ["Date: then\r\n"], without: ["Date: now"])),
        .field(
            "one Date is enough", "Date: a\r\nDate: b\r\nContent-Length: 0",
            .forwards(.length(0), ["Date: a\r\n"], without: ["Date: b"])),
        .field(
            "Upgrade goes from an ordinary response", "Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 0",
            .forwards(.length(0), without: ["Upgrade", "h2c"])),
        .field(
            "encodings and ranges are the app's business",
            "Content-Encoding: gzip\r\nContent-Range: bytes 0-1/2\r\nContent-Length: 2",
            .forwards(.length(2), ["Content-Encoding: gzip\r\nContent-Range: bytes 0-1/2\r\n"])),
        .field(
            "an underscore means nothing special to a client", "X_A: 1\r\nTransfer_Encoding: x\r\nContent-Length: 0",
            .forwards(.length(0), ["X_A: 1\r\nTransfer_Encoding: x\r\n"])),
    ]
}
