import HTTPWire
import Testing

struct ChunkedCase: Sendable, CustomStringConvertible {
    let rule: String
    let bytes: [UInt8]
    let expected: Result<String, WireError>?
    var trailers: [String] = []

    var description: String { rule }

    init(_ rule: String, _ bytes: String, _ expected: Result<String, WireError>?, trailers: [String] = []) {
        self.rule = rule
        self.bytes = Array(bytes.utf8)
        self.expected = expected
        self.trailers = trailers
    }
}

@Suite struct BodyTests {
    static let chunked: [ChunkedCase] = [
        .init("9112 7.1: one chunk", "3\r\nabc\r\n0\r\n\r\n", .success("abc")),
        .init("9112 7.1: two chunks", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", .success("abc")),
        .init("9112 7.1: no data", "0\r\n\r\n", .success("")),
        .init(
            "9112 7.1: upper and lower case digits", "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
            .success("01234567890123456789")),
        .init("9112 7.1: leading zeros", "0003\r\nabc\r\n000\r\n\r\n", .success("abc")),
        .init("9112 7.1.1: an extension is dropped", "3;a=b;c=\"d\"\r\nabc\r\n0;x\r\n\r\n", .success("abc")),
        .init("9112 7.1.2: trailers", "0\r\nA: b\r\nC: d\r\n\r\n", .success(""), trailers: ["A: b", "C: d"]),
        .init("hop-by-hop trailers go", "0\r\nConnection: x\r\nA: b\r\n\r\n", .success(""), trailers: ["A: b"]),
        .init("9110 6.5.1: a length as trailer", "0\r\nContent-Length: 5\r\n\r\n", .failure(.forbiddenTrailer)),
        .init(
            "9110 6.5.1: a coding as trailer", "0\r\nTransfer-Encoding: chunked\r\n\r\n", .failure(.forbiddenTrailer)),
        .init("9110 6.5.1: Host as trailer", "0\r\nHost: b\r\n\r\n", .failure(.forbiddenTrailer)),
        .init("a folded trailer", "0\r\nA: b\r\n c\r\n\r\n", .failure(.foldedField)),
        .init("a broken trailer", "0\r\nA b\r\n\r\n", .failure(.spaceBeforeColon)),
        .init("9112 7.1: a size of letters", "x\r\nabc\r\n0\r\n\r\n", .failure(.malformedChunk)),
        .init("9112 7.1: an empty size", "\r\nabc\r\n0\r\n\r\n", .failure(.malformedChunk)),
        .init("9112 7.1: a sign", "+3\r\nabc\r\n0\r\n\r\n", .failure(.malformedChunk)),
        .init("9112 7.1: 0x", "0x3\r\nabc\r\n0\r\n\r\n", .failure(.malformedChunk)),
        .init("9112 7.1: a space before the size", " 3\r\nabc\r\n0\r\n\r\n", .failure(.malformedChunk)),
        .init("9112 7.1: a space after the size", "3 \r\nabc\r\n0\r\n\r\n", .failure(.malformedChunk)),
        .init("9112 7.1: bare LF after the size", "3\nabc\r\n0\r\n\r\n", .failure(.bareLineFeed)),
        .init("9112 7.1: bare CR after the size", "3\rabc\r\n0\r\n\r\n", .failure(.bareCarriageReturn)),
        .init("9112 7.1: bare LF in an extension", "3;a\nabc\r\n0\r\n\r\n", .failure(.bareLineFeed)),
        .init("NUL in an extension", "3;\u{0}\r\nabc\r\n0\r\n\r\n", .failure(.malformedChunk)),
        .init("9112 7.1: data longer than its size", "2\r\nabc\r\n0\r\n\r\n", .failure(.malformedChunk)),
        .init("9112 7.1: bare LF after the data", "3\r\nabc\n0\r\n\r\n", .failure(.malformedChunk)),
        .init("9112 7.1: an overflowing size", "fffffffffffffffff\r\n", .failure(.malformedChunk)),
        .init("a size near the end of numbers", "ffffffffffffffff\r\n", .failure(.malformedChunk)),
        .init("endless zeros", String(repeating: "0", count: 17), .failure(.malformedChunk)),
        .init("endless extensions", "1;" + String(repeating: "x", count: 17_000), .failure(.chunkOverhead)),
        .init("endless trailers", "0\r\n" + String(repeating: "A: b\r\n", count: 100), .failure(.tooManyFields)),
        .init("no last chunk", "3\r\nabc\r\n", nil),
        .init("no end of the trailers", "0\r\nA: b\r\n", nil),
    ]

    @Test(arguments: chunked) func `each rule for chunked bodies holds, in any pieces`(_ example: ChunkedCase) throws {
        let step = max(1, example.bytes.count / 200)
        let bytewise = Array(stride(from: 1, to: example.bytes.count, by: step))
        for cuts in [[], bytewise] + bytewise.map({ [$0] }) {
            let result = Result { try decodeBody(example.bytes, .chunked, cuts: cuts) }
            switch (example.expected, result) {
            case (.failure(let error), .failure(let other)): #expect(other as? WireError == error)
            case (.success(let text), .success(let body)):
                #expect(body.isComplete && String(decoding: body.data, as: UTF8.self) == text)
                #expect(body.trailers == example.trailers && body.used == example.bytes.count)
            case (nil, .success(let body)): #expect(!body.isComplete)
            default: Issue.record("\(result)")
            }
        }
    }

    @Test func `a length is counted, and what follows is left alone`() throws {
        let body = try decodeBody(Array("abcdeGET".utf8), .length(5), cuts: [0, 2, 4])
        #expect(body == DecodedBody(data: Array("abcde".utf8), isComplete: true, used: 5))
    }

    @Test func `no framing means no body`() throws {
        #expect(try decodeBody(Array("x".utf8), .none).used == 0)
        #expect(try decodeBody([], .length(0)).isComplete)
    }

    @Test func `a body until the end of the connection has no end of its own`() throws {
        let body = try decodeBody(Array("abc".utf8), .untilClose)
        #expect(!body.isComplete && body.data == Array("abc".utf8))
    }
}
