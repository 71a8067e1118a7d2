import HTTPWire

/// A message as the tests compare it: everything that goes on to the other side.
struct ParsedRequest: Equatable {
    var method: String
    var target: String
    var authority: String
    var framing: BodyFraming
    var fields: [String]
    var keepsAlive: Bool
    var length: Int
}

/// One parse of `bytes`, presented in pieces that end at `cuts`.
func parseRequest(
    _ bytes: [UInt8], cuts: [Int] = [], limits: HeadLimits = HeadLimits()
) throws -> ParsedRequest? {
    var parser = RequestParser()
    var fields = HeadFields()
    for end in cuts + [bytes.count] {
        let piece = Array(bytes[..<end])
        if let head = try piece.withUnsafeBytes({ try parser.parse($0, &fields, limits) }) {
            return ParsedRequest(
                method: text(piece, head.methodRange), target: text(piece, head.target),
                authority: text(piece, head.authority), framing: head.framing,
                fields: fields.kept(piece), keepsAlive: head.keepsAlive, length: head.length)
        }
    }
    return nil
}

/// The request as it would reach a machine.
func forwardRequest(
    _ bytes: [UInt8], trusted: Bool = false, limits: HeadLimits = HeadLimits()
) throws -> [UInt8]? {
    var parser = RequestParser()
    var fields = HeadFields()
    guard var settled = try bytes.withUnsafeBytes({ try parser.parse($0, &fields, limits) }) else { return nil }
    settled.settle(&fields, isTrusted: trusted, keepsRequestID: true)
    let peer = PeerLines(address: "192.0.2.7", scheme: "http", isTrusted: trusted)
    let (head, kept) = (settled, fields)
    return written(head.sizeBound(peer)) { writer in
        bytes.withUnsafeBytes {
            head.write(
                $0, kept, peer, requestID: Array("id-1".utf8), trace: TraceParent(high: 10, low: 11, span: 12),
                to: &writer)
        }
    }
}

struct ParsedResponse: Equatable {
    var status: Int
    var framing: BodyFraming
    var keepsAlive: Bool
    var fields: [String]
    var length: Int
}

func parseResponse(
    _ bytes: [UInt8], isHead: Bool = false, wantsUpgrade: Bool = false, cuts: [Int] = [],
    limits: HeadLimits = HeadLimits()
) throws -> ParsedResponse? {
    var parser = ResponseParser()
    var fields = HeadFields()
    let context = ResponseContext(isHead: isHead, wantsUpgrade: wantsUpgrade)
    for end in cuts + [bytes.count] {
        let piece = Array(bytes[..<end])
        if let head = try piece.withUnsafeBytes({ try parser.parse($0, &fields, limits, context) }) {
            return ParsedResponse(
                status: head.status, framing: head.framing, keepsAlive: head.keepsAlive, fields: fields.kept(piece),
                length: head.length)
        }
    }
    return nil
}

/// The response head as it would reach a client.
func forwardResponse(
    _ bytes: [UInt8], isHead: Bool = false, toHTTP11: Bool = true, connection: ConnectionPersistence = .keepAlive
) throws -> String? {
    var parser = ResponseParser()
    var fields = HeadFields()
    let context = ResponseContext(isHead: isHead, wantsUpgrade: false)
    guard let head = try bytes.withUnsafeBytes({ try parser.parse($0, &fields, HeadLimits(), context) }) else {
        return nil
    }
    let additions = ResponseAdditions()
    additions.instance = Array("X-Instance-Id: m1\r\n".utf8)
    additions.requestID = Array("id-1".utf8)
    additions.date = Array("Date: now\r\n".utf8)
    additions.latency = 1042
    let kept = fields
    let out = written(head.sizeBound(additions)) { writer in
        bytes.withUnsafeBytes {
            head.write(
                $0, kept, additions, framing: head.clientFraming(isHTTP11: toHTTP11), connection: connection,
                to: &writer)
        }
    }
    return String(decoding: out, as: UTF8.self)
}

/// A body decoded from pieces that end at `cuts`: its data, its kept trailers, and how many bytes it took.
struct DecodedBody: Equatable {
    var data: [UInt8] = []
    var trailers: [String] = []
    var isComplete = false
    var used = 0
}

func decodeBody(_ bytes: [UInt8], _ framing: BodyFraming, cuts: [Int] = []) throws -> DecodedBody {
    var decoder = BodyDecoder(framing)
    var fields = HeadFields()
    var body = DecodedBody()
    for end in cuts + [bytes.count] where !body.isComplete {
        let piece = Array(bytes[..<end])
        steps: while true {
            var at = body.used
            let step = try piece.withUnsafeBytes { try decoder.next($0, &at, &fields) }
            body.used = at
            switch step {
            case .needsMore: break steps
            case .data(let range): body.data += piece[range]
            case .complete:
                body.isComplete = true
                body.trailers = fields.kept(piece)
                break steps
            }
        }
    }
    return body
}

extension HeadFields {
    /// The kept lines without their ends, as the writers copy them.
    func kept(_ bytes: [UInt8]) -> [String] {
        let lines = written(trailerBound) { writer in bytes.withUnsafeBytes { writeTrailers($0, to: &writer) } }
        return lines.split(separator: 0x0a).map { String(decoding: $0.dropLast(), as: UTF8.self) }.dropFirst()
            .filter { !$0.isEmpty }
    }
}

private func written(_ bound: Int, _ body: (inout HeadWriter) -> Void) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: bound) { memory, count in
        guard var writer = HeadWriter(UnsafeMutableRawBufferPointer(memory)) else { return }
        body(&writer)
        count = writer.count
    }
}

private func text(_ bytes: [UInt8], _ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

/// xorshift64*: small, quick, and the same everywhere for one seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed | 1 }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_f491_4f6c_dd1d
    }
}
