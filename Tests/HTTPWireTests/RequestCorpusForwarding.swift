import HTTPWire

extension RequestCorpus {
    static let framing: [RequestCase] = [
        .field("9110 8.6: a length", "Content-Length: 5", .forwards(["Content-Length: 5\r\n"])),
        .field(
            "9110 8.6: leading zeros are not forwarded", "Content-Length: 0005",
            .forwards(["Content-Length: 5\r\n"], without: ["0005"])),
        .field("9110 8.6: no digits", "Content-Length: x", .refused(.malformedLength)),
        .field("9110 8.6: empty", "Content-Length:", .refused(.malformedLength)),
        .field("9110 8.6: a sign", "Content-Length: +5", .refused(.malformedLength)),
        .field("9110 8.6: negative", "Content-Length: -5", .refused(.malformedLength)),
        .field("9110 8.6: hexadecimal", "Content-Length: 0x5", .refused(.malformedLength)),
        .field("9110 8.6: a list", "Content-Length: 5, 5", .refused(.malformedLength)),
        .field("9110 8.6: a space inside", "Content-Length: 5 5", .refused(.malformedLength)),
        .field("9110 8.6: beyond counting", "Content-Length: 99999999999999999999", .refused(.malformedLength)),
        .field("9112 6.3: two lengths", "Content-Length: 5\r\nContent-Length: 6", .refused(.repeatedLength)),
        .field("9112 6.3: twice the same length", "Content-Length: 5\r\ncontent-length: 5", .refused(.repeatedLength)),
        .field("9112 6.1: chunked", "Transfer-Encoding: chunked", .forwards(["Transfer-Encoding: chunked\r\n"])),
        .field(
            "9112 7: codings have no case", "Transfer-Encoding: CHUNKED", .forwards(["Transfer-Encoding: chunked\r\n"])),
        .field(
            "9112 6.1: length, then coding", "Content-Length: 5\r\nTransfer-Encoding: chunked",
            .refused(.conflictingFraming)),
        .field(
            "9112 6.1: coding, then length", "Transfer-Encoding: chunked\r\nContent-Length: 5",
            .refused(.conflictingFraming)),
        .field("9112 6.1: chunked twice", "Transfer-Encoding: chunked, chunked", .refused(.malformedCoding)),
        .field(
            "9112 6.1: chunked in two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            .refused(.malformedCoding)),
        .field("9112 6.1: chunked is not last", "Transfer-Encoding: chunked, gzip", .refused(.malformedCoding)),
        .field("501: gzip before chunked", "Transfer-Encoding: gzip, chunked", .refused(.unknownCoding)),
        .field("501: identity", "Transfer-Encoding: identity", .refused(.unknownCoding)),
        .field("501: a misspelling", "Transfer-Encoding: xchunked", .refused(.unknownCoding)),
        .field("a coding with a parameter", "Transfer-Encoding: chunked;q=1", .refused(.unknownCoding)),
        .field("an empty coding", "Transfer-Encoding:", .refused(.malformedCoding)),
        .field("an empty element", "Transfer-Encoding: , chunked", .refused(.malformedCoding)),
        .field("a coding in quotes", "Transfer-Encoding: \"chunked\"", .refused(.unknownCoding)),
        .field("a coding with a vertical tab", "Transfer-Encoding: \u{b}chunked", .refused(.controlByte)),
        .init(
            "9112 6.1: a coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            .refused(.codingOnHTTP10)),
        .field("a space hides a coding", "Transfer-Encoding : chunked", .refused(.spaceBeforeColon)),
        .field("an underscore is no coding", "Transfer_Encoding: chunked", .forwards([], without: ["chunked"])),
    ]

    static let forwarding: [RequestCase] = [
        .field(
            "9110 7.6.1: Connection goes", "Connection: keep-alive\r\nB: 1",
            .forwards(["B: 1"], without: ["Connection"])),
        .field(
            "9110 7.6.1: what Connection lists goes", "Connection: x-a , X-B\r\nX-A: 1\r\nX-b: 2\r\nX-C: 3",
            .forwards(["X-C: 3"], without: ["X-A", "X-b"])),
        .field("9110 7.6.1: listed before or after", "X-A: 1\r\nConnection: x-a", .forwards([], without: ["X-A"])),
        .field("Connection cannot strip Host", "Connection: host", .forwards(["Host: a\r\n"])),
        .field(
            "Connection cannot strip Authorization", "Connection: authorization\r\nAuthorization: x",
            .forwards(["Authorization: x"])),
        .field(
            "Connection cannot strip Content-Length", "Connection: content-length\r\nContent-Length: 3",
            .forwards(["Content-Length: 3"])),
        .field("Keep-Alive goes", "Keep-Alive: timeout=5", .forwards([], without: ["Keep-Alive"])),
        .field("Proxy-Connection goes", "Proxy-Connection: close", .forwards([], without: ["Proxy-Connection"])),
        .field("Proxy-Authorization goes", "Proxy-Authorization: x", .forwards([], without: ["Proxy-Authorization"])),
        .field("Proxy-Authenticate goes", "Proxy-Authenticate: x", .forwards([], without: ["Proxy-Authenticate"])),
        .field("TE goes", "TE: gzip", .forwards([], without: ["TE:"])),
        .field(
            "TE: trailers is said anew", "TE: gzip, trailers",
            .forwards(["TE: trailers\r\nConnection: TE\r\n"], without: ["gzip"])),
        .field("Upgrade without Connection goes", "Upgrade: websocket", .forwards([], without: ["Upgrade"])),
        .field(
            "9110 7.8: an upgrade is offered", "Connection: Upgrade\r\nUpgrade: websocket",
            .forwards(["Connection: Upgrade\r\nUpgrade: websocket\r\n"])),
        .field(
            "h2c is not offered", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x",
            .forwards([], without: ["Upgrade", "HTTP2"])),
        .field(
            "an upgrade with a body is not offered", "Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 3",
            .forwards(["Content-Length: 3"], without: ["Upgrade"])),
        .init(
            "an upgrade in HTTP/1.0 is not offered", "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
            .forwards([], without: ["Upgrade"])),
        .field("9110 7.6.3: Via is added to", "Via: 1.0 x", .forwards(["Via: 1.0 x\r\n", "Via: 1.1 fcctl\r\n"])),
        .field(
            "X-Forwarded-For is overwritten", "X-Forwarded-For: 6.6.6.6",
            .forwards(["X-Forwarded-For: 192.0.2.7\r\n"], without: ["6.6.6.6"])),
        .field(
            "every X-Forwarded name is", "X-Forwarded-Prefix: /a\r\nX-Forwarded-Proto: https",
            .forwards(["X-Forwarded-Proto: http\r\n"], without: ["Prefix", "https"])),
        .field(
            "Forwarded is overwritten", "Forwarded: for=6.6.6.6",
            .forwards(["Forwarded: for=192.0.2.7;proto=http;host=\"a\"\r\n"], without: ["6.6.6.6"])),
        .field(
            "X-Real-IP is overwritten", "X-Real-IP: 6.6.6.6",
            .forwards(["X-Real-IP: 192.0.2.7\r\n"], without: ["6.6.6.6"])),
        .field(
            "X-Forwarded-Host is the Host", "X-Forwarded-Host: evil",
            .forwards(["X-Forwarded-Host: a\r\n"], without: ["evil"])),
        .field(
            "X-Instance-* is ours to say", "X-Instance-Id: x\r\nX-Latency-Ms: 1\r\nX-Start-Type: y",
            .forwards([], without: ["X-Instance", "X-Latency", "X-Start"])),
        .field(
            "a request id is kept", "X-Request-Id: abc-1", .forwards(["X-Request-Id: abc-1\r\n"], without: ["id-1"])),
        .field(
            "a request id with a space is replaced", "X-Request-Id: a b",
            .forwards(["X-Request-Id: id-1\r\n"], without: ["a b"])),
        .field(
            "an endless request id is replaced", "X-Request-Id: \(String(repeating: "x", count: 129))",
            .forwards(["X-Request-Id: id-1\r\n"])),
        .field("no request id is made", "A: b", .forwards(["X-Request-Id: id-1\r\n"])),
        .field(
            "X-Forwarded-Port is the port of the listener", "X-Forwarded-Port: 6",
            .forwards(["X-Forwarded-Port: 80\r\n"], without: ["Port: 6\r\n"])),
        .init(
            "9110 7.6.2: Max-Forwards counts down for OPTIONS",
            "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n",
            .forwards(["Max-Forwards: 2\r\n"])),
        .field("9110 7.6.2: and for nothing else", "Max-Forwards: 3", .forwards(["Max-Forwards: 3\r\n"])),
        .field(
            "Cookie, Range, conditionals, unknown names pass",
            "Cookie: a=b\r\nRange: bytes=0-1\r\nIf-None-Match: x\r\nZ: 1",
            .forwards(["Cookie: a=b\r\nRange: bytes=0-1\r\nIf-None-Match: x\r\nZ: 1\r\n"])),
    ]

    private static let made = "traceparent: 00-000000000000000a000000000000000b-000000000000000c-01\r\n"
    private static let trace = "0af7651916cd43dd8448eb211c80319c"
    private static let sent = "00-\(trace)-b7ad6b7169203331-00"

    /// W3C Trace Context, level 1.
    static let tracing: [RequestCase] = [
        .field("a trace is made", "A: b", .forwards([made])),
        .field(
            "a valid traceparent is kept", "TraceParent: \(sent)",
            .forwards(["traceparent: \(sent)\r\n"], without: [made])),
        .field(
            "tracestate is kept with it", "traceparent: \(sent)\r\ntracestate: a=1\r\nTraceState: b=2",
            .forwards(["traceparent: \(sent)\r\n", "tracestate: a=1\r\nTraceState: b=2\r\n"])),
        .field("tracestate alone goes", "tracestate: a=1", .forwards([made], without: ["tracestate"])),
        .field(
            "an all-zero trace id",
            "traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-00\r\ntracestate: a=1",
            .forwards([made], without: ["tracestate"])),
        .field("an all-zero span id", "traceparent: 00-\(trace)-0000000000000000-00", .forwards([made])),
        .field("capital letters", "traceparent: 00-\(trace.uppercased())-b7ad6b7169203331-00", .forwards([made])),
        .field("version ff", "traceparent: ff-\(trace)-b7ad6b7169203331-00", .forwards([made])),
        .field("version 00 with more", "traceparent: \(sent)-x", .forwards([made])),
        .field(
            "a later version with more", "traceparent: cc-\(trace)-b7ad6b7169203331-00-x",
            .forwards(["traceparent: cc-\(trace)-b7ad6b7169203331-00-x\r\n"])),
        .field("a later version without a dash", "traceparent: cc-\(trace)-b7ad6b7169203331-00x", .forwards([made])),
        .field("a wrong dash", "traceparent: 00_\(trace)-b7ad6b7169203331-00", .forwards([made])),
        .field("too short", "traceparent: 00-\(trace)-b7ad6b7169203331-0", .forwards([made])),
        .field("two of them", "traceparent: \(sent)\r\ntraceparent: \(sent)", .forwards([made], without: [trace])),
        .field("empty", "traceparent:", .forwards([made])),
    ]
}
