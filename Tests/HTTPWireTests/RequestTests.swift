import HTTPWire
import Testing

@Suite struct RequestTests {
    @Test(arguments: RequestCorpus.all) func `each rule for requests holds`(_ example: RequestCase) throws {
        switch example.verdict {
        case .forwards(let pieces, let absent):
            let out = String(decoding: try #require(try forwardRequest(example.bytes)), as: UTF8.self)
            for piece in pieces { #expect(out.contains(piece), "\(out)") }
            for piece in absent { #expect(!out.contains(piece), "\(out)") }
            #expect(out.hasSuffix("\r\n\r\n"))
        case .refused(let expected):
            #expect(throws: expected) { _ = try parseRequest(example.bytes) }
        case .incomplete:
            #expect(try parseRequest(example.bytes) == nil)
        }
    }

    @Test func `the corpus has at least 120 rules, each named once`() {
        #expect(RequestCorpus.all.count >= 120)
        #expect(Set(RequestCorpus.all.map(\.rule)).count == RequestCorpus.all.count)
    }

    @Test(arguments: RequestCorpus.all) func `bytes in any pieces mean the same`(_ example: RequestCase) throws {
        let whole = Result { try parseRequest(example.bytes) }
        let step = max(1, example.bytes.count / 300)
        let cuts = Array(stride(from: 1, to: example.bytes.count, by: step))
        #expect(same(Result { try parseRequest(example.bytes, cuts: cuts) }, whole))
        for cut in stride(from: 1, to: example.bytes.count, by: step) {
            #expect(same(Result { try parseRequest(example.bytes, cuts: [cut]) }, whole), "cut at \(cut)")
        }
    }

    @Test(arguments: RequestCorpus.all) func `what is forwarded parses to the same request`(_ example: RequestCase)
        throws
    {
        guard case .forwards = example.verdict, let first = try forwardRequest(example.bytes) else { return }
        if first.starts(with: "GET / HTTP/1.1\r\nHost: \r\n".utf8) { return }  // an HTTP/1.0 request names no host
        let once = try #require(try parseRequest(example.bytes))
        var limits = HeadLimits()
        limits.fields = 200
        let twice = try #require(try parseRequest(first, limits: limits))
        #expect(twice.method == once.method)
        #expect(twice.framing == once.framing)
        #expect(twice.authority == once.authority)
        if first.starts(with: "OPTIONS / ".utf8) { return }  // Max-Forwards counts down at each pass
        #expect(try forwardRequest(first, limits: limits).map(withoutVia) == withoutVia(first))
    }

    @Test func `a trusted peer's words on its client are kept and added to`() throws {
        let head = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\r\n"
        let out = String(decoding: try #require(try forwardRequest(Array(head.utf8), trusted: true)), as: UTF8.self)
        #expect(out.contains("X-Forwarded-For: 6.6.6.6\r\n"))
        #expect(out.contains("X-Forwarded-For: 192.0.2.7\r\n"))
        #expect(out.contains("X-Forwarded-Proto: https\r\n"))
        #expect(!out.contains("X-Forwarded-Proto: http\r\n"))
    }

    @Test(arguments: [("", true), ("Connection: close\r\n", false), ("connection: foo, Close\r\n", false)])
    func `HTTP 1.1 keeps the connection unless told otherwise`(_ lines: String, _ keeps: Bool) throws {
        #expect(try parseRequest(Array("GET / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n".utf8))?.keepsAlive == keeps)
    }

    @Test(arguments: [("", false), ("Connection: keep-alive\r\n", true), ("Connection: keep-alive, close\r\n", false)])
    func `HTTP 1.0 closes the connection unless told otherwise`(_ lines: String, _ keeps: Bool) throws {
        #expect(try parseRequest(Array("GET / HTTP/1.0\r\n\(lines)\r\n".utf8))?.keepsAlive == keeps)
    }
}

/// Each pass through a proxy adds one Via line.
private func withoutVia(_ head: [UInt8]) -> [Substring] {
    String(decoding: head, as: UTF8.self).split(separator: "\r\n").filter { $0 != "Via: 1.1 fcctl" }.sorted()
}

func same<T: Equatable>(_ left: Result<T, any Error>, _ right: Result<T, any Error>) -> Bool {
    switch (left, right) {
    case (.success(let left), .success(let right)): left == right
    case (.failure(let left as WireError), .failure(let right as WireError)): left == right
    default: false
    }
}
