import Testing

/// What a client of HTTP/2 may send, and what must come of it. Each case names its rule.
struct HTTP2Case: Sendable, CustomTestStringConvertible {
    enum Outcome: Sendable {
        /// The app saw a request with all of these lines, and none of those.
        case forwards([String], without: [String] = [])
        /// The gateway answers by itself with this status, and the app sees nothing.
        case refuses(Int)
        /// The stream is reset, with one of these codes, or answered 400: either is right for a malformed request.
        case malformed
        case resets(UInt32)
        /// GOAWAY with one of these codes, then the end of the connection.
        case ends([UInt32])
        /// Nothing happens to the connection: a request after it is answered.
        case ignored
    }

    let name: String
    /// RFC 9113 unless it says otherwise.
    let rule: String
    let frames: [RawFrame]
    let outcome: Outcome

    var testDescription: String { "\(name) (\(rule))" }

    init(_ name: String, _ rule: String, _ frames: [RawFrame], _ outcome: Outcome) {
        self.name = name
        self.rule = rule
        self.frames = frames
        self.outcome = outcome
    }
}

enum HTTP2Corpus {
    static let all = requests + pseudoFields + fields + bodies + frames + flow + floods

    private static func request(
        _ name: String, _ rule: String, _ fields: [(String, String)], _ outcome: HTTP2Case.Outcome
    ) -> HTTP2Case {
        HTTP2Case(name, rule, [.headers(fields)], outcome)
    }

    private static let requests = [
        request("a request is forwarded in HTTP/1.1", "8.3.1", h2(), .forwards(["GET / HTTP/1.1", "host: app"])),
        request(
            "path and query pass as they are", "8.3.1", h2("GET", "/a/b?c=%20d&e"),
            .forwards(["GET /a/b?c=%20d&e HTTP/1.1"])),
        request("OPTIONS may ask for *", "8.3.1", h2("OPTIONS", "*"), .forwards(["OPTIONS * HTTP/1.1"])),
        request("HEAD passes", "8.3.1", h2("HEAD"), .forwards(["HEAD / HTTP/1.1"])),
        request("a method of one's own passes", "8.3.1", h2("PURGE"), .forwards(["PURGE / HTTP/1.1"])),
        request(
            "Via names the protocol it came by", "RFC 9110 7.6.3", h2(), .forwards(["Via: 2.0 fcctl"])),
        request(
            "what the client says of its address is overwritten", "RFC 7239 8.1",
            h2("GET", "/", [("x-forwarded-for", "9.9.9.9"), ("x-real-ip", "9.9.9.9")]),
            .forwards(["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http"], without: ["9.9.9.9"])),
        request(
            "crumbs of a cookie are joined", "8.2.3", h2("GET", "/", [("cookie", "a=1"), ("cookie", "b=2; c=3")]),
            .forwards(["cookie: a=1; b=2; c=3"])),
        request(
            "other fields stay apart, in order", "RFC 9110 5.3", h2("GET", "/", [("x-a", "1"), ("x-a", "2")]),
            .forwards(["x-a: 1\r\nx-a: 2"])),
        request(
            "TE: trailers passes", "8.2.2", h2("GET", "/", [("te", "trailers")]), .forwards(["TE: trailers"])),
        request(
            "an instance header of the client is dropped", "fcctl", h2("GET", "/", [("x-instance-id", "me")]),
            .forwards([], without: ["x-instance-id"])),
        request("an empty value passes", "RFC 9110 5.5", h2("GET", "/", [("x-empty", "")]), .forwards(["x-empty:"])),
        request(
            "names with _ are dropped", "fcctl", h2("GET", "/", [("x_a", "1")]), .forwards([], without: ["x_a"])),
        request(
            "a request id of a stranger is replaced", "fcctl", h2("GET", "/", [("x-request-id", "stranger")]),
            .forwards(["X-Request-Id: "], without: ["stranger"])),
        request(
            "Expect: 100-continue passes", "RFC 9110 10.1.1", h2("GET", "/", [("expect", "100-continue")]),
            .forwards(["expect: 100-continue"])),
    ]

    private static let pseudoFields = [
        request("no :method", "8.3.1", [(":scheme", "http"), (":path", "/"), (":authority", "app")], .malformed),
        request("no :path", "8.3.1", [(":method", "GET"), (":scheme", "http"), (":authority", "app")], .malformed),
        request("no :scheme", "8.3.1", [(":method", "GET"), (":path", "/"), (":authority", "app")], .malformed),
        request("an empty :path", "8.3.1", h2("GET", ""), .malformed),
        request("an absolute :path", "8.3.1", h2("GET", "http://other/"), .refuses(400)),
        request("a :path without /", "8.3.1", h2("GET", "index"), .refuses(400)),
        request("* for GET", "8.3.1", h2("GET", "*"), .refuses(400)),
        request("a fragment in :path", "8.3.1", h2("GET", "/a#b"), .refuses(400)),
        request("a space in :path", "8.3.1", h2("GET", "/a b"), .malformed),
        request("a new line in :path", "8.2.1", h2("GET", "/ HTTP/1.1\r\nx: y"), .malformed),
        request("a space in :method", "8.3.1", h2("GET /x HTTP/1.1"), .malformed),
        request("a new line in :method", "8.2.1", h2("GET\r\n"), .malformed),
        request(
            "a scheme of its own", "8.3.1", [(":method", "GET"), (":scheme", "ftp"), (":path", "/")], .refuses(400)),
        request("two :method", "8.3", [(":method", "GET")] + h2(), .malformed),
        request("two :path", "8.3", [(":path", "/")] + h2(), .malformed),
        request("two :authority", "8.3", [(":authority", "app")] + h2(), .malformed),
        request("an unknown pseudo-header field", "8.3", [(":color", "red")] + h2(), .malformed),
        request("a pseudo-header field of responses", "8.3", [(":status", "200")] + h2(), .malformed),
        request("a pseudo-header field after others", "8.3", [("x-a", "1")] + h2(), .malformed),
        request("no authority at all", "RFC 9112 3.2", h2(authority: nil), .refuses(400)),
        request(
            "Host without :authority", "8.3.1", h2("GET", "/", [("host", "other")], authority: nil),
            .forwards(["host: other"])),
        request("Host that says the same", "8.3.1", h2("GET", "/", [("host", "APP")]), .forwards(["host: app"])),
        request("Host that says otherwise", "8.3.1", h2("GET", "/", [("host", "other")]), .refuses(400)),
        request("two Host fields", "RFC 9112 3.2", h2("GET", "/", [("host", "app"), ("host", "app")]), .refuses(400)),
        request("an empty :authority", "8.3.1", h2(authority: ""), .refuses(400)),
        request("user information in :authority", "8.3.1", h2(authority: "me@app"), .refuses(400)),
        request("a bad port in :authority", "8.3.1", h2(authority: "app:99999"), .refuses(400)),
        request("a path in :authority", "8.3.1", h2(authority: "app/x"), .refuses(400)),
        request("CONNECT", "8.5", [(":method", "CONNECT"), (":authority", "app:80")], .refuses(501)),
        request("TRACE", "RFC 9110 9.3.8", h2("TRACE"), .refuses(405)),
        request(
            "extended CONNECT, not offered", "RFC 8441 3", h2("CONNECT", "/", [(":protocol", "websocket")]), .malformed),
    ]

    private static let fields = [
        request("an upper-case name", "8.2.1", h2("GET", "/", [("X-A", "1")]), .malformed),
        request("an empty name", "8.2.1", h2("GET", "/", [("", "1")]), .malformed),
        request("a space in a name", "8.2.1", h2("GET", "/", [("x a", "1")]), .malformed),
        request("a colon in a name", "8.2.1", h2("GET", "/", [("x:a", "1")]), .malformed),
        request("a new line in a name", "8.2.1", h2("GET", "/", [("x\r\ny", "1")]), .malformed),
        request("CR LF in a value", "8.2.1", h2("GET", "/", [("x-a", "1\r\nx-b: 2")]), .malformed),
        request("LF in a value", "8.2.1", h2("GET", "/", [("x-a", "1\nx-b: 2")]), .malformed),
        request("CR in a value", "8.2.1", h2("GET", "/", [("x-a", "1\r2")]), .malformed),
        request("NUL in a value", "8.2.1", h2("GET", "/", [("x-a", "1\0")]), .malformed),
        request("a control byte in a value", "RFC 9110 5.5", h2("GET", "/", [("x-a", "a\u{1}b")]), .malformed),
        request("white space before a value", "8.2.1", h2("GET", "/", [("x-a", " 1")]), .malformed),
        request("white space after a value", "8.2.1", h2("GET", "/", [("x-a", "1 ")]), .malformed),
        request("Connection", "8.2.2", h2("GET", "/", [("connection", "close")]), .malformed),
        request("Keep-Alive", "8.2.2", h2("GET", "/", [("keep-alive", "1")]), .malformed),
        request("Proxy-Connection", "8.2.2", h2("GET", "/", [("proxy-connection", "close")]), .malformed),
        request("Transfer-Encoding", "8.2.2", h2("POST", "/", [("transfer-encoding", "chunked")]), .malformed),
        request("Upgrade", "8.2.2", h2("GET", "/", [("upgrade", "websocket")]), .malformed),
        request("TE with more than trailers", "8.2.2", h2("GET", "/", [("te", "trailers, gzip")]), .malformed),
        request("an unknown expectation", "RFC 9110 10.1.1", h2("GET", "/", [("expect", "magic")]), .refuses(417)),
        request(
            "two lengths", "8.1.1", h2("POST", "/", [("content-length", "0"), ("content-length", "0")]), .malformed),
        request("a length that is no number", "8.1.1", h2("POST", "/", [("content-length", "x")]), .malformed),
        request(
            "more than 128 fields", "10.5.1", h2("GET", "/", (0..<130).map { ("x-\($0)", "1") }), .refuses(431)),
        HTTP2Case(
            "fields larger than SETTINGS_MAX_HEADER_LIST_SIZE", "10.5.1",
            [
                .headers(h2("GET", "/", [("x-a", String(repeating: "a", count: 15_000))]), flags: 1),
                .continuation([("x-b", String(repeating: "b", count: 15_000))], flags: 4),
            ], .refuses(431)),
        request(
            "a target longer than we take", "RFC 9110 15.5.15", h2("GET", "/" + String(repeating: "a", count: 9000)),
            .refuses(414)),
    ]

    private static let bodies = [
        HTTP2Case(
            "a body with a length keeps it", "8.1.1",
            [.headers(h2("POST", "/", [("content-length", "3")]), flags: 4), .data("abc")],
            .forwards(["Content-Length: 3", "\r\n\r\nabc"])),
        HTTP2Case(
            "a body without a length goes in chunks", "RFC 9112 6.1",
            [.headers(h2("POST"), flags: 4), .data("abc", ends: false), .data("de")],
            .forwards(["Transfer-Encoding: chunked", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"])),
        HTTP2Case(
            "trailers follow the last chunk", "8.1",
            [.headers(h2("POST"), flags: 4), .data("abc", ends: false), .headers([("x-sum", "6")])],
            .forwards(["3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n"])),
        HTTP2Case(
            "a body shorter than its length", "8.1.1",
            [.headers(h2("POST", "/", [("content-length", "4")]), flags: 4), .data("abc")], .resets(1)),
        HTTP2Case(
            "a body longer than its length", "8.1.1",
            [.headers(h2("POST", "/", [("content-length", "2")]), flags: 4), .data("abc")], .resets(1)),
        HTTP2Case(
            "more than a length of many zeros", "8.1.1",
            [
                .headers(h2("POST", "/", [("content-length", String(repeating: "0", count: 20))]), flags: 4),
                .data("GET /smuggled HTTP/1.1\r\nhost: app\r\n\r\n"),
            ], .resets(1)),
        HTTP2Case(
            "a length that cannot be counted to", "8.1.1",
            [
                .headers(h2("POST", "/", [("content-length", "99999999999999999999")]), flags: 4), .data("abc"),
            ], .refuses(400)),
        HTTP2Case(
            "no body where a length was said", "8.1.1", [.headers(h2("POST", "/", [("content-length", "4")]))],
            .resets(1)),
        HTTP2Case(
            "a pseudo-header field in trailers", "8.1",
            [.headers(h2("POST"), flags: 4), .data("abc", ends: false), .headers([(":path", "/x")])], .resets(1)),
        HTTP2Case(
            "trailers that do not end the stream", "8.1",
            [.headers(h2("POST"), flags: 4), .data("abc", ends: false), .headers([("x-a", "1")], flags: 4)], .resets(1)),
        HTTP2Case(
            "a head in two frames", "6.10",
            [.headers(h2(), flags: 1), .continuation([("x-late", "1")], flags: 4)], .forwards(["x-late: 1"])),
        HTTP2Case(
            "padding is no body", "6.1",
            [
                .headers(h2("POST", "/", [("content-length", "3")]), flags: 4),
                RawFrame(type: 0, flags: 1 | 8, stream: 1, payload: [2] + Array("abc".utf8) + [0, 0]),
            ], .forwards(["\r\n\r\nabc"])),
    ]

    private static let frames = [
        HTTP2Case(
            "a frame larger than SETTINGS_MAX_FRAME_SIZE", "4.2",
            [RawFrame(type: 0, stream: 1, payload: Array(repeating: 0, count: 16_385))], .ends([6, 1])),
        HTTP2Case("DATA on stream 0", "6.1", [.data("x", stream: 0)], .ends([1])),
        HTTP2Case("DATA on an idle stream", "5.1", [.data("x", stream: 1)], .ends([1])),
        HTTP2Case("HEADERS on stream 0", "6.2", [.headers(h2(), stream: 0)], .ends([1])),
        HTTP2Case("HEADERS on a stream of the server", "5.1.1", [.headers(h2(), stream: 2)], .ends([1])),
        HTTP2Case(
            "a stream below one already opened", "5.1.1",
            [.headers(h2("POST"), stream: 5, flags: 4), .headers(h2(), stream: 3)], .ends([1, 5])),
        HTTP2Case("another frame inside a head", "6.10", [.headers(h2(), flags: 1), .ping()], .ends([1])),
        HTTP2Case("CONTINUATION of nothing", "6.10", [.continuation([("a", "b")])], .ends([1])),
        HTTP2Case(
            "CONTINUATION of another stream", "6.10",
            [.headers(h2(), flags: 1), .continuation([("a", "b")], stream: 3, flags: 4)], .ends([1])),
        HTTP2Case(
            "PUSH_PROMISE of a client", "8.4",
            [RawFrame(type: 5, flags: 4, stream: 1, payload: [0, 0, 0, 2])], .ends([1])),
        HTTP2Case("RST_STREAM of an idle stream", "5.1", [.reset(stream: 1)], .ends([1])),
        HTTP2Case("RST_STREAM on stream 0", "6.4", [.reset(stream: 0)], .ends([1])),
        HTTP2Case(
            "RST_STREAM of the wrong size", "6.4",
            [.headers(h2("POST"), flags: 4), RawFrame(type: 3, stream: 1, payload: [0])], .ends([6])),
        HTTP2Case("SETTINGS on a stream", "6.5", [RawFrame(type: 4, stream: 1)], .ends([1])),
        HTTP2Case("SETTINGS of an odd size", "6.5", [RawFrame(type: 4, payload: [0, 1, 2])], .ends([6])),
        HTTP2Case(
            "an acknowledgement with content", "6.5",
            [RawFrame(type: 4, flags: 1, payload: [0, 1, 0, 0, 0, 1])], .ends([6])),
        HTTP2Case("ENABLE_PUSH of 2", "6.5.2", [.settings([(2, 2)])], .ends([1])),
        HTTP2Case("INITIAL_WINDOW_SIZE beyond 2^31-1", "6.5.2", [.settings([(4, 0x8000_0000)])], .ends([3])),
        HTTP2Case("MAX_FRAME_SIZE below 16384", "6.5.2", [.settings([(5, 100)])], .ends([1])),
        HTTP2Case("an unknown setting", "6.5.2", [.settings([(0x99, 1)])], .ignored),
        HTTP2Case(
            "PING on a stream", "6.7", [RawFrame(type: 6, stream: 1, payload: Array(repeating: 0, count: 8))],
            .ends([1])),
        HTTP2Case("PING of the wrong size", "6.7", [RawFrame(type: 6, payload: [1])], .ends([6])),
        HTTP2Case(
            "GOAWAY on a stream", "6.8",
            [RawFrame(type: 7, stream: 1, payload: Array(repeating: 0, count: 8))], .ends([1])),
        HTTP2Case("an unknown frame", "5.5", [RawFrame(type: 0xbb, payload: [1, 2])], .ignored),
        HTTP2Case(
            "a request that depends on itself", "RFC 7540 5.3.1",
            [RawFrame(type: 2, stream: 1, payload: [0, 0, 0, 1, 15])], .ends([1])),
        HTTP2Case(
            "a head that HPACK cannot read", "4.3",
            [RawFrame(type: 1, flags: 5, stream: 1, payload: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff])], .ends([9])),
        HTTP2Case(
            "an index that HPACK does not have", "RFC 7541 2.3.3",
            [RawFrame(type: 1, flags: 5, stream: 1, payload: [0xfe])], .ends([9])),
        HTTP2Case(
            "padding longer than the frame", "6.1",
            [.headers(h2("POST"), flags: 4), RawFrame(type: 0, flags: 9, stream: 1, payload: [9, 1])], .ends([1])),
    ]

    private static let flow = [
        HTTP2Case("an increment of 0 for the connection", "6.9", [.windowUpdate(stream: 0, by: 0)], .ends([1])),
        HTTP2Case(
            "a window of the connection beyond 2^31-1", "6.9.1",
            [.windowUpdate(stream: 0, by: 0x7fff_ffff)], .ends([3])),
        HTTP2Case("WINDOW_UPDATE of the wrong size", "6.9", [RawFrame(type: 8, payload: [0])], .ends([6])),
        HTTP2Case("WINDOW_UPDATE of an idle stream", "5.1", [.windowUpdate(stream: 9, by: 1)], .ends([1])),
    ]

    private static let floods = [
        HTTP2Case(
            "resets without end", "10.5 (CVE-2023-44487)",
            (0..<400).flatMap { index in
                let stream = UInt32(index * 2 + 1)
                return [RawFrame.headers(h2("POST"), stream: stream, flags: 4), .reset(stream: stream)]
            }, .ends([11])),
        HTTP2Case(
            "provoked resets without end", "10.5 (CVE-2025-8671)",
            (0..<400).flatMap { index in
                let stream = UInt32(index * 2 + 1)
                return [RawFrame.headers(h2(), stream: stream), .windowUpdate(stream: stream, by: 0)]
            }, .ends([11])),
        HTTP2Case(
            "CONTINUATION without end", "10.5 (CVE-2024-27316)",
            [.headers(h2(), flags: 1)] + (0..<50).map { .continuation([("x-\($0)", "1")]) }, .ends([11])),
        HTTP2Case("SETTINGS without end", "10.5 (CVE-2019-9515)", (0..<600).map { _ in .settings() }, .ends([11])),
        HTTP2Case("PING without end", "10.5 (CVE-2019-9512)", (0..<600).map { _ in .ping() }, .ends([11])),
        HTTP2Case(
            "PRIORITY without end", "10.5 (CVE-2019-9513)",
            (0..<600).map { _ in RawFrame(type: 2, stream: 1, payload: [0, 0, 0, 0, 1]) }, .ends([11])),
        HTTP2Case(
            "empty DATA without end", "10.5 (CVE-2019-9518)",
            [.headers(h2("POST"), flags: 4)] + (0..<50).map { _ in .data("", ends: false) }, .ends([11])),
        HTTP2Case(
            "malformed requests without end", "10.5",
            (0..<400).map { .headers(h2("GET", "/", [("Bad", "1")]), stream: UInt32($0 * 2 + 1)) }, .ends([11])),
    ]
}
