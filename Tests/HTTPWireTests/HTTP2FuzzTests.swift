import Testing

@testable import HTTPWire

/// Connections of HTTP/2 made of good frames, wrong frames and broken frames. `FCCTL_FUZZ_SEED` repeats a run.
@Suite struct HTTP2FuzzTests {
    private static let runs = FuzzTests.runs / 10

    @Test func `whatever a client sends, it means the same in pieces, and no rule of ours is broken`() {
        var generator = SeededGenerator(seed: FuzzTests.seed)
        var requests = 0
        for run in 0..<Self.runs {
            let bytes = Self.connection(&generator)
            let answers = generator.next()
            let (whole, fault) = Self.play([bytes], answers)
            var pieces: [[UInt8]] = []
            var at = 0
            while at < bytes.count {
                let end = min(bytes.count, at + Int.random(in: 1...60, using: &generator))
                pieces.append(Array(bytes[at..<end]))
                at = end
            }
            let (cut, otherFault) = Self.play(pieces, answers)
            guard whole == cut, fault == nil, otherFault == nil else {
                Issue.record("seed \(FuzzTests.seed) run \(run): \(fault ?? otherFault ?? "\(whole) in pieces \(cut)")")
                return
            }
            requests += whole.filter { $0.hasPrefix("request") }.count
        }
        #expect(requests > Self.runs / 3)
    }

    /// What a client says, from the preface on.
    private static func connection(_ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = ClientFrames.opening
        var stream: UInt32 = 1
        for _ in 0..<Int.random(in: 1...12, using: &generator) {
            let old = UInt32.random(in: 0...8, using: &generator)
            switch Int.random(in: 0..<12, using: &generator) {
            case 0...3:
                let ends = Bool.random(using: &generator)
                let enters = Bool.random(using: &generator)
                let fields = ClientFrames.get("/\(stream)", enters ? [("x-seed", "\(stream)")] : [])
                let block = ClientFrames.block(fields, enters: enters)
                let cut = Int.random(in: 0...block.count, using: &generator)
                if Bool.random(using: &generator) {
                    bytes += ClientFrames.frame(1, ends ? 5 : 4, stream, block)
                } else {
                    bytes += ClientFrames.frame(1, ends ? 1 : 0, stream, Array(block[..<cut]))
                    bytes += ClientFrames.frame(9, 4, stream, Array(block[cut...]))
                }
                stream += 2
            case 4...6:
                let count = Int.random(in: 0...40, using: &generator)
                let ends: UInt8 = Bool.random(using: &generator) ? 1 : 0
                bytes += ClientFrames.frame(0, ends, max(1, stream &- 2), Array(repeating: 120, count: count))
            case 7:
                bytes += ClientFrames.frame(8, 0, old, ClientFrames.number(.random(in: 0...50_000, using: &generator)))
            case 8: bytes += ClientFrames.frame(3, 0, old, ClientFrames.number(8))
            case 9:
                bytes += ClientFrames.frame(
                    4, 0, 0, [0, 4] + ClientFrames.number(.random(in: 0...100, using: &generator)))
            case 10: bytes += ClientFrames.frame(1, 5, old, ClientFrames.block([("x-trailer", "1")]))
            default:
                let kind = UInt8.random(in: 0...10, using: &generator)
                let payload = (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                    UInt8.random(in: .min ... .max, using: &generator)
                }
                bytes += ClientFrames.frame(kind, .random(in: .min ... .max, using: &generator), old, payload)
            }
        }
        if Int.random(in: 0..<4, using: &generator) == 0 {
            let at = Int.random(in: 24..<bytes.count, using: &generator)
            bytes[at] = .random(in: .min ... .max, using: &generator)
        }
        return bytes
    }

    /// Plays a connection against a session that answers as `seed` says. Returns what was said, and what broke a rule.
    private static func play(_ pieces: [[UInt8]], _ seed: UInt64) -> ([String], String?) {
        var run = HTTP2Run(streams: 4)
        var generator = SeededGenerator(seed: seed)
        var fault: String?
        var room: [UInt32: Int] = [:]
        for piece in pieces {
            run.receive(piece) { event, session in
                switch event {
                case .request(let stream, _):
                    let head = Array("HTTP/1.1 200 OK\r\nX-Stream: \(stream)\r\nDate: now\r\n\r\n".utf8)
                    head.withUnsafeBytes { _ = session.respond($0, toHead: false, on: stream) }
                    room[stream] = 0
                case .data(let stream, let range, _): session.handled(range.count, on: stream)
                default: break
                }
                for stream in room.keys.sorted() {
                    let count = min(session.room(on: stream), Int.random(in: 0...20_000, using: &generator))
                    guard count > 0 else { continue }
                    session.beginData(count, ends: Int.random(in: 0..<3, using: &generator) == 0, on: stream)
                    content.prefix(count).withUnsafeBytes { session.out.append($0) }
                    if session.room(on: stream) < 0 { fault = "more room than there is" }
                }
                if session.streams.count > 4 { fault = "more streams than there may be" }
            }
        }
        let error = run.error
        let frames = run.take()
        if frames.contains(where: { $0.kind == 255 || $0.payload.count > FrameHeader.largest }) {
            fault = "what was sent is no whole frames"
        }
        let said = frames.map { "\($0.kind) \($0.flags) \($0.stream) \($0.payload.count)" }
        return (run.events + said + ["\(String(describing: error))"], fault)
    }

    private static let content = [UInt8](repeating: 0, count: FrameHeader.largest)
}
