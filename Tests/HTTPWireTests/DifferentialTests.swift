import HTTPWire
import NIOCore
import NIOHTTP1
import Testing

/// What we accept and pass on, llhttp must understand as the same message. What we refuse and it accepts is strictness.
@Suite struct DifferentialTests {
    @Test func `what is forwarded is to llhttp one request, and the same`() throws {
        var generator = SeededGenerator(seed: FuzzTests.seed)
        let corpus = RequestCorpus.all.map(\.bytes).filter { $0.count < 2000 }
        var compared = 0
        for run in 0..<FuzzTests.runs {
            let bytes = run < corpus.count ? corpus[run] : FuzzTests.mutate(corpus, &generator)
            // Only heads that end where the bytes end: what follows a head is the body's business.
            guard let ours = try? parseRequest(bytes), ours.length == bytes.count, let body = Self.body(ours.framing),
                let out = try forwardRequest(bytes), Self.knownMethods.contains(ours.method)
            else { continue }
            // llhttp wants to know the protocol of an upgrade, and then stops.
            if String(decoding: out, as: UTF8.self).contains("Connection: Upgrade\r\n") { continue }
            compared += 1
            let seen = SecondOpinion.requests(out + body.encoded)
            guard let seen, seen.count == 1, seen[0].start == "\(ours.method) \(Self.target(ours, out))",
                seen[0].body == body.data, seen[0].values("host").map(String.init) == [ours.authority]
            else {
                Issue.record("seed \(FuzzTests.seed) run \(run): \(bytes) went on as \(out), to llhttp \(seen as Any)")
                return
            }
            // The very bytes the client sent, where llhttp takes them, mean the same body and no second request.
            if let raw = SecondOpinion.requests(bytes + body.encoded), !raw.isEmpty,
                raw.count != 1 || raw[0].body != body.data
            {
                Issue.record("seed \(FuzzTests.seed) run \(run): \(bytes) is \(raw) to llhttp, \(ours) to us")
                return
            }
        }
        #expect(compared > FuzzTests.runs / 50)
    }

    @Test func `what is forwarded is to llhttp one response, and the same`() throws {
        var generator = SeededGenerator(seed: FuzzTests.seed)
        let corpus = ResponseCorpus.all.map(\.bytes).filter { $0.count < 2000 }
        var compared = 0
        for run in 0..<FuzzTests.runs {
            let bytes = run < corpus.count ? corpus[run] : FuzzTests.mutate(corpus, &generator)
            guard let ours = try? parseResponse(bytes), ours.length == bytes.count, ours.status >= 200,
                bytes.allSatisfy({ $0 < 0x80 }), let out = try forwardResponse(bytes)
            else { continue }
            // What ended with the connection goes on in chunks.
            let framing = ours.framing == .untilClose ? .chunked : ours.framing
            guard let body = Self.body(framing) else { continue }
            compared += 1
            let seen = SecondOpinion.responses(Array(out.utf8) + body.encoded, isHead: false)
            guard let seen, seen.count == 1, seen[0].start == "\(ours.status)", seen[0].body == body.data else {
                Issue.record("seed \(FuzzTests.seed) run \(run): \(bytes) went on as \(out), to llhttp \(seen as Any)")
                return
            }
            if ours.framing != .untilClose, let raw = SecondOpinion.responses(bytes + body.encoded, isHead: false),
                raw.count != 1 || raw[0].body != body.data
            {
                Issue.record("seed \(FuzzTests.seed) run \(run): \(bytes) is \(raw) to llhttp, \(ours) to us")
                return
            }
        }
        #expect(compared > FuzzTests.runs / 50)
    }

    @Test(arguments: BodyTests.chunked) func `a chunked body is to llhttp the same, or refused`(_ example: ChunkedCase)
        throws
    {
        let ours = try? decodeBody(example.bytes, .chunked)
        let head = Array("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        guard let ours, ours.isComplete else { return }
        let seen = SecondOpinion.requests(head + example.bytes)
        #expect(seen?.count == 1)
        #expect(seen?.first?.body == ours.data)
    }

    /// llhttp has a list of methods; we have none.
    private static let knownMethods: Set = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]

    /// A body for this framing, as data and as bytes. Nil: too long to try.
    private static func body(_ framing: BodyFraming) -> (data: [UInt8], encoded: [UInt8])? {
        switch framing {
        case .none: return ([], [])
        case .length(let length):
            guard length < 100_000 else { return nil }
            let data = [UInt8](repeating: 0x78, count: Int(length))
            return (data, data)
        case .chunked: return (Array("hello".utf8), Array("5\r\nhello\r\n0\r\n\r\n".utf8))
        case .untilClose: return nil
        }
    }

    /// The target as the forwarded request line has it.
    private static func target(_ request: ParsedRequest, _ out: [UInt8]) -> Substring {
        let line = String(decoding: out.prefix { $0 != 0x0d }, as: UTF8.self)
        return line.dropFirst(request.method.count + 1).dropLast(" HTTP/1.1".count)
    }
}
