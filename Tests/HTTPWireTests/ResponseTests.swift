import HTTPWire
import Testing

@Suite struct ResponseTests {
    @Test(arguments: ResponseCorpus.all) func `each rule for responses holds`(_ example: ResponseCase) throws {
        switch example.verdict {
        case .forwards(let framing, let pieces, let absent):
            #expect(try parseResponse(example.bytes, isHead: example.isHead)?.framing == framing)
            let out = try #require(try forwardResponse(example.bytes, isHead: example.isHead))
            for piece in pieces { #expect(out.contains(piece), "\(out)") }
            for piece in absent { #expect(!out.contains(piece), "\(out)") }
            #expect(out.hasSuffix("\r\n\r\n"))
        case .refused(let expected):
            #expect(throws: expected) { _ = try parseResponse(example.bytes, isHead: example.isHead) }
        case .incomplete:
            #expect(try parseResponse(example.bytes) == nil)
        }
    }

    @Test func `the corpus has at least 45 rules, each named once`() {
        #expect(ResponseCorpus.all.count >= 45)
        #expect(Set(ResponseCorpus.all.map(\.rule)).count == ResponseCorpus.all.count)
    }

    @Test(arguments: ResponseCorpus.all) func `bytes in any pieces mean the same`(_ example: ResponseCase) throws {
        let whole = Result { try parseResponse(example.bytes, isHead: example.isHead) }
        let step = max(1, example.bytes.count / 300)
        for cut in stride(from: 1, to: example.bytes.count, by: step) {
            let cuts = [cut, min(cut + 1, example.bytes.count)]
            #expect(same(Result { try parseResponse(example.bytes, isHead: example.isHead, cuts: cuts) }, whole))
        }
    }

    @Test func `a 101 is believed only after an upgrade was offered, and with both fields`() throws {
        let good = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        #expect(try parseResponse(Array(good.utf8), wantsUpgrade: true)?.status == 101)
        for lines in ["Connection: Upgrade\r\n", "Upgrade: websocket\r\n", ""] {
            #expect(throws: WireError.unexpectedStatus) {
                try parseResponse(Array("HTTP/1.1 101 X\r\n\(lines)\r\n".utf8), wantsUpgrade: true)
            }
        }
    }

    @Test func `an HTTP 1.0 client gets a body that ends with the connection`() throws {
        let head = Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        let out = try #require(try forwardResponse(head, toHTTP11: false, connection: .close))
        #expect(!out.contains("chunked"))
        #expect(out.contains("Connection: close\r\n"))
    }
}
