import HTTPWire

/// What must become of a request head.
enum RequestVerdict: Sendable {
    /// Accepted; these pieces are in what reaches the machine, and the others are not.
    case forwards([String], without: [String] = [])
    case refused(WireError)
    case incomplete
}

struct RequestCase: Sendable, CustomStringConvertible {
    let rule: String
    let bytes: [UInt8]
    let verdict: RequestVerdict

    var description: String { rule }

    init(_ rule: String, _ head: String, _ verdict: RequestVerdict) {
        self.rule = rule
        bytes = Array(head.utf8)
        self.verdict = verdict
    }

    /// A GET with these further field lines.
    static func field(_ rule: String, _ lines: String, _ verdict: RequestVerdict) -> RequestCase {
        RequestCase(rule, "GET / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n\r\n", verdict)
    }

    static func target(_ rule: String, _ target: String, _ verdict: RequestVerdict) -> RequestCase {
        RequestCase(rule, "GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n", verdict)
    }

    static func host(_ rule: String, _ host: String, _ verdict: RequestVerdict) -> RequestCase {
        RequestCase(rule, "GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n", verdict)
    }
}

enum RequestCorpus {
    static let all = lines + targets + hosts + fields + framing + forwarding + tracing

    static let lines: [RequestCase] = [
        .init("9112 3: a request line", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", .forwards(["GET /x HTTP/1.1\r\n"])),
        .init("9112 2.2: one empty line before", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .forwards(["GET / "])),
        .init("9112 2.2: two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .forwards(["GET / "])),
        .init(
            "no endless empty lines", "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .refused(.malformedRequestLine)),
        .init("9112 3: no line end, no verdict", "GET / HTTP/1.1", .incomplete),
        .init("9112 2.1: no empty line, no verdict", "GET / HTTP/1.1\r\nHost: a\r\n", .incomplete),
        .init(
            "9112 3: two spaces after the method", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .refused(.malformedRequestLine)
        ),
        .init(
            "9112 3: two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
            .refused(.malformedRequestLine)),
        .init("9112 3: a tab for a space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", .refused(.malformedRequestLine)),
        .init(
            "9112 3: a space before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", .refused(.malformedRequestLine)),
        .init(
            "9112 3: a space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .refused(.malformedRequestLine)),
        .init("9112 3: no version", "GET /\r\nHost: a\r\n\r\n", .refused(.malformedRequestLine)),
        .init("9112 3: no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", .refused(.malformedRequestLine)),
        .init("9112 2.2: bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", .refused(.bareLineFeed)),
        .init("9112 2.2: bare LF after the target", "GET /\nHost: a\r\n\r\n", .refused(.bareLineFeed)),
        .init("9112 2.2: CR without LF", "GET / HTTP/1.1\rHost: a\r\n\r\n", .refused(.bareCarriageReturn)),
        .init("9112 2.3: lower case HTTP", "GET / http/1.1\r\nHost: a\r\n\r\n", .refused(.malformedRequestLine)),
        .init("9112 2.3: a version of letters", "GET / HTTP/x.1\r\nHost: a\r\n\r\n", .refused(.malformedRequestLine)),
        .init("9112 2.3: a version without a dot", "GET / HTTP/11\r\nHost: a\r\n\r\n", .refused(.malformedRequestLine)),
        .init("9112 2.3: a long version", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", .refused(.malformedRequestLine)),
        .init("505: HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", .refused(.unsupportedVersion)),
        .init("505: HTTP/0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", .refused(.unsupportedVersion)),
        .init("505: HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", .refused(.unsupportedVersion)),
        .init("505: the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .refused(.unsupportedVersion)),
        .init("a TLS hello", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}", .refused(.malformedRequestLine)),
        .init("9110 9.1: a method with a colon", "GE:T / HTTP/1.1\r\nHost: a\r\n\r\n", .refused(.malformedRequestLine)),
        .init("9110 9.1: an unknown method passes", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", .forwards(["BREW / "])),
        .init("9110 9.1: methods know their case", "get / HTTP/1.1\r\nHost: a\r\n\r\n", .forwards(["get / "])),
        .init(
            "501: an endless method", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n",
            .refused(.methodTooLong)),
        .init("501: CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", .refused(.connectRefused)),
        .init("501: CONNECT in lower case", "connect a:443 HTTP/1.1\r\nHost: a\r\n\r\n", .refused(.connectRefused)),
        .init("405: TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", .refused(.traceRefused)),
        .init("HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", .forwards(["GET / HTTP/1.1\r\nHost: \r\n"])),
        .init("HTTP/1.0 with Host", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", .forwards(["HTTP/1.1\r\nHost: a\r\n"])),
    ]

    static let targets: [RequestCase] = [
        .target("3986: path and query", "/a/b?c=d&e", .forwards(["GET /a/b?c=d&e HTTP/1.1"])),
        .target("3986: an escape", "/%20%7e", .forwards(["/%20%7e "])),
        .target("3986: a broken escape", "/%2", .refused(.malformedTarget)),
        .target("3986: an escape without digits", "/%zz", .refused(.malformedTarget)),
        .target("browsers leave a percent in the query", "/?100%", .forwards(["/?100% "])),
        .target("9112 3.2: a fragment", "/a#b", .refused(.malformedTarget)),
        .target("9112 3.2: a fragment in the query", "/?a#b", .refused(.malformedTarget)),
        .target("3986: a quote", "/\"", .refused(.malformedTarget)),
        .target("3986: angle brackets", "/<script>", .refused(.malformedTarget)),
        .target("3986: a backslash in the path", "/a\\b", .refused(.malformedTarget)),
        .target("browsers send brackets", "/?a[0]=1", .forwards(["/?a[0]=1 "])),
        .target("3986: a byte above ASCII", "/é", .refused(.malformedTarget)),
        .target("3986: a control byte", "/\u{1}", .refused(.malformedTarget)),
        .target("3986: DEL", "/\u{7f}", .refused(.malformedTarget)),
        .target("dots are the app's business", "/../../etc/passwd", .forwards(["/../../etc/passwd "])),
        .target("doubled slashes stay", "//a//b", .forwards(["GET //a//b "])),
        .target("9112 3.2.1: no slash", "a/b", .refused(.malformedTarget)),
        .target(
            "9112 3.2.2: absolute form", "http://b/c?d",
            .forwards(["GET /c?d HTTP/1.1\r\nHost: b\r\n"], without: ["Host: a"])),
        .target("9112 3.2.2: absolute form without a path", "http://b", .forwards(["GET / HTTP/1.1\r\nHost: b\r\n"])),
        .target(
            "9112 3.2.2: absolute form with only a query", "http://b?x", .forwards(["GET /?x HTTP/1.1\r\nHost: b\r\n"])),
        .target("9112 3.2.2: absolute form, any case, with a port", "HTTP://b:81/", .forwards(["Host: b:81\r\n"])),
        .target("9112 3.2.2: https as well", "https://b/", .forwards(["Host: b\r\n"])),
        .target("9110 4.2.4: user information", "http://u:p@b/", .refused(.malformedHost)),
        .target("9110 4.2.1: an empty authority", "http:///c", .refused(.malformedHost)),
        .target("9112 3.2.2: another scheme", "ftp://b/c", .refused(.malformedTarget)),
        .target("9112 3.2.3: authority form is for CONNECT", "b:80", .refused(.malformedTarget)),
        .target("9112 3.2.4: an asterisk is for OPTIONS", "*", .refused(.malformedTarget)),
        .init("9112 3.2.4: OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", .forwards(["OPTIONS * HTTP/1.1\r\n"])),
        .init(
            "9112 3.2.4: OPTIONS of an authority is *", "OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n",
            .forwards(["OPTIONS * HTTP/1.1\r\nHost: b\r\n"])),
        .target("9112 3.2.4: two asterisks", "**", .refused(.malformedTarget)),
        .init(
            "9112 3.2.2: Host must be valid even if it does not count", "GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n",
            .refused(.malformedHost)),
        .init("9112 3.2: Host must be there all the same", "GET http://b/ HTTP/1.1\r\n\r\n", .refused(.missingHost)),
    ]

    static let hosts: [RequestCase] = [
        .init("9112 3.2: no Host", "GET / HTTP/1.1\r\n\r\n", .refused(.missingHost)),
        .init("9112 3.2: two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", .refused(.repeatedHost)),
        .init("9112 3.2: twice the same Host", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", .refused(.repeatedHost)),
        .init("two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", .refused(.repeatedHost)),
        .host("9110 7.2: an empty Host", "", .refused(.malformedHost)),
        .host("9110 7.2: a name", "example.com", .forwards(["Host: example.com\r\n"])),
        .host("9110 7.2: name and port", "example.com:8080", .forwards(["Host: example.com:8080\r\n"])),
        .host("3986: an empty port", "a:", .forwards(["Host: a:\r\n"])),
        .host("3986: a port of letters", "a:b", .refused(.malformedHost)),
        .host("a port beyond 65535", "a:65536", .refused(.malformedHost)),
        .host("two ports", "a:1:2", .refused(.malformedHost)),
        .host("3986: an IPv6 address", "[::1]:80", .forwards(["Host: [::1]:80\r\n"])),
        .host("3986: an open bracket", "[::1", .refused(.malformedHost)),
        .host("3986: an IPv6 address without brackets", "::1", .refused(.malformedHost)),
        .host("bytes after the bracket", "[::1]x", .refused(.malformedHost)),
        .host("a path in Host", "a/b", .refused(.malformedHost)),
        .host("a query in Host", "a?b", .refused(.malformedHost)),
        .host("user information in Host", "u@a", .refused(.malformedHost)),
        .host("a list in Host", "a, b", .refused(.malformedHost)),
        .host("a space in Host", "a b", .refused(.malformedHost)),
        .host("a quote in Host", "a\"", .refused(.malformedHost)),
        .host("a byte above ASCII in Host", "é", .refused(.malformedHost)),
        .host("white space around is not part of it", "  a\t ", .forwards(["host=\"a\"", "a\r\n"], without: ["a\t"])),
        .host("a broken escape in Host", "a%2", .refused(.malformedHost)),
        .host("an underscore in Host", "my_app.local", .forwards(["Host: my_app.local\r\n"])),
    ]

    static let fields: [RequestCase] = [
        .field("9112 5.1: a space before the colon", "A : b", .refused(.spaceBeforeColon)),
        .field("9112 5.1: a tab before the colon", "A\t: b", .refused(.spaceBeforeColon)),
        .field("9112 5.2: a folded line", "A: b\r\n c: d", .refused(.foldedField)),
        .field("9112 5.2: a line folded by a tab", "A: b\r\n\tc", .refused(.foldedField)),
        .init("white space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", .refused(.foldedField)),
        .field("9110 5.1: no colon", "Abc", .refused(.malformedFieldName)),
        .field("9110 5.1: no name", ": b", .refused(.malformedFieldName)),
        .field("9110 5.1: a name with a slash", "A/b: c", .refused(.malformedFieldName)),
        .field("9110 5.1: a name above ASCII", "É: c", .refused(.malformedFieldName)),
        .field("9110 5.1: a name with a quote", "A\"b: c", .refused(.malformedFieldName)),
        .field("9110 5.1: NUL in a name", "A\u{0}: c", .refused(.malformedFieldName)),
        .field("9110 5.5: NUL in a value", "A: b\u{0}", .refused(.controlByte)),
        .field("9110 5.5: a control byte in a value", "A: \u{1}", .refused(.controlByte)),
        .field("9110 5.5: DEL in a value", "A: \u{7f}", .refused(.controlByte)),
        .field(
            "9110 5.5: ESC deep in a long value", "A: \(String(repeating: "x", count: 50))\u{1b}",
            .refused(.controlByte)),
        .field("9112 2.2: bare LF in a value", "A: b\nC: d", .refused(.bareLineFeed)),
        .field("9112 2.2: bare CR in a value", "A: b\rC: d", .refused(.bareCarriageReturn)),
        .init("9112 2.2: bare LF ends the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", .refused(.bareLineFeed)),
        .init("9112 2.2: CR and no LF end the head", "GET / HTTP/1.1\r\nHost: a\r\n\rX", .refused(.bareCarriageReturn)),
        .field("9110 5.5: bytes above ASCII pass", "A: é", .forwards(["A: é\r\n"])),
        .field("9110 5.5: a tab inside a value passes", "A: b\tc", .forwards(["A: b\tc\r\n"])),
        .field("9110 5.5: an empty value passes", "A:", .forwards(["A:\r\n"])),
        .field("case and order are kept", "b: 1\r\nA: 2\r\nB: 3", .forwards(["b: 1\r\nA: 2\r\nB: 3\r\n"])),
        .field(
            "names with an underscore are dropped", "X_Forwarded_For: 1\r\nB: 2", .forwards(["B: 2"], without: ["X_"])),
        .field("9110 10.1.1: 100-continue passes", "Expect: 100-Continue", .forwards(["Expect: 100-Continue\r\n"])),
        .field("417: another expectation", "Expect: 200-ok", .refused(.unknownExpectation)),
        .field("431: a field of 16 KiB", "A: \(String(repeating: "x", count: 16_400))", .refused(.fieldTooLarge)),
        .field(
            "431: fields of 64 KiB",
            Array(repeating: "A: \(String(repeating: "x", count: 8000))", count: 9).joined(separator: "\r\n"),
            .refused(.headTooLarge)),
        .field(
            "431: 129 fields", Array(repeating: "A: b", count: 128).joined(separator: "\r\n"), .refused(.tooManyFields)),
        .field(
            "128 fields", Array(repeating: "A: b", count: 127).joined(separator: "\r\n"),
            .forwards(["A: b\r\nA: b\r\n"])),
        .target("414: a target of 8 KiB", "/" + String(repeating: "x", count: 8192), .refused(.targetTooLong)),
        .target("a target of just 8 KiB", "/" + String(repeating: "x", count: 8191), .forwards(["xxx HTTP/1.1"])),
        .init("414 without a line end", "GET /" + String(repeating: "x", count: 9000), .refused(.targetTooLong)),
        .field("431 without a line end", "A: " + String(repeating: "x", count: 20_000), .refused(.fieldTooLarge)),
    ]
}
