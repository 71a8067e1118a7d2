import Testing

@testable import HTTPWire

@Suite struct HTTP2SessionTests {
    private func run(_ frames: [UInt8]...) -> HTTP2Run {
        var run = HTTP2Run()
        run.receive(ClientFrames.opening + frames.flatMap { $0 })
        return run
    }

    private func respond(_ session: inout HTTP2Session, _ text: String, toHead: Bool = false, on stream: UInt32) {
        Array(text.utf8).withUnsafeBytes { _ = session.respond($0, toHead: toHead, on: stream) }
    }

    @Test func `a request is the text that HTTP 1-1 would have sent`() {
        let fields = [
            ("host", "APP"), ("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2"), ("content-type", "application/grpc+x"),
        ]
        let run = run(ClientFrames.request(1, ends: false, ClientFrames.get("/p?q", fields)))
        #expect(run.error == nil && run.events.count == 1)
        let text =
            "GET /p?q HTTP/1.1\r\nx-a: 1\r\ncontent-type: application/grpc+x\r\ncookie: a=1; b=2\r\nhost: app\r\n"
            + "transfer-encoding: chunked\r\n\r\n"
        #expect(run.events[0].hasSuffix(text), "\(run.events[0])")
        #expect(run.events[0].contains("isGRPC: true"))
    }

    @Test func `a head is one frame or as many as it takes`() {
        var run = run(ClientFrames.request(1))
        _ = run.take()
        let value = String(repeating: "~", count: 40_000)
        respond(
            &run.session, "HTTP/1.1 200 OK\r\nX-Wide: \(value)\r\nConnection: close\r\n\r\n", toHead: true, on: 1)
        let frames = run.take()
        #expect(frames.map(\.kind) == [1, 9, 9] && frames.map(\.flags) == [1, 0, 4])
        #expect(frames.dropLast().allSatisfy { $0.payload.count == FrameHeader.largest })
        #expect(Self.fields(frames.flatMap(\.payload)) == ":status: 200\r\nx-wide: \(value)\r\n")
        #expect(run.session.streams.count == 0)
    }

    /// The lines of a block, read by a decoder of its own.
    private static func fields(_ block: [UInt8]) -> String {
        var decoder = HPACKDecoder()
        var text: [UInt8] = []
        decoder.begin()
        block.withUnsafeBytes { bytes in
            var at = 0
            while (try? decoder.next(bytes, &at, into: &text)) ?? nil != nil {}
        }
        return String(decoding: text, as: UTF8.self)
    }

    @Test func `data waits for the windows of the stream and of the connection`() {
        var run = run(
            ClientFrames.frame(4, 0, 0, [0, 4] + ClientFrames.number(10)), ClientFrames.request(1),
            ClientFrames.request(3))
        #expect(run.session.room(on: 1) == 10)
        run.session.beginData(10, ends: false, on: 1)
        #expect(run.session.room(on: 1) == 0 && run.session.room(on: 3) == 10)
        run.receive(ClientFrames.frame(8, 0, 1, ClientFrames.number(100_000)))
        #expect(run.session.room(on: 1) == FrameHeader.largest)
        // A smaller initial window takes back from all, below zero if need be.
        run.receive(ClientFrames.frame(4, 0, 0, [0, 4] + ClientFrames.number(0)))
        #expect(run.session.room(on: 3) == 0)
        for _ in 0..<3 { run.session.beginData(FrameHeader.largest, ends: false, on: 1) }
        run.session.beginData(run.session.room(on: 1), ends: false, on: 1)
        // Now the connection has none left, whatever the stream has.
        #expect(run.session.room(on: 1) == 0 && run.error == nil)
        run.receive(ClientFrames.frame(8, 0, 0, ClientFrames.number(7)))
        #expect(run.session.room(on: 1) == 7 && run.events.last == "window(0)")
    }

    @Test func `the client may send on when half of what it may send has been dealt with`() {
        var run = run(ClientFrames.request(1, ends: false))
        _ = run.take()
        let piece = ClientFrames.frame(0, 0, 1, Array(repeating: 120, count: 16_384))
        run.receive(piece + piece)
        #expect(run.take().isEmpty)
        run.session.handled(32_768, on: 1)
        let opened = SentFrame(kind: 8, flags: 0, stream: 1, payload: ClientFrames.number(32_768))
        #expect(run.take() == [opened])
        // Who sends more than it may loses the stream, and not the connection.
        run.receive(piece + piece + piece + piece)
        #expect(run.events.last == "reset(1)" && run.error == nil)
        #expect(run.take().last == SentFrame(kind: 3, flags: 0, stream: 1, payload: ClientFrames.number(3)))
    }

    @Test func `what was under way for a stream that was reset breaks no rule`() {
        var run = run(ClientFrames.request(1, ends: false))
        run.session.reset(1, .none)
        let late = ClientFrames.frame(1, 5, 1, ClientFrames.block([("x-late", "1")], enters: true))
        run.receive(
            ClientFrames.frame(0, 0, 1, [1]) + ClientFrames.frame(8, 0, 1, ClientFrames.number(1))
                + ClientFrames.frame(3, 0, 1, ClientFrames.number(8)) + late)
        // The late fields are in the table all the same.
        run.receive(ClientFrames.frame(1, 5, 3, ClientFrames.block(ClientFrames.get()) + [0xbe]))
        #expect(run.error == nil && run.events.count == 2)
        #expect(run.events.last?.contains("x-late: 1\r\n") == true)
    }

    @Test func `after the last goodbye nothing new begins, and the stream it names stays the same`() {
        var run = run(ClientFrames.request(1, ends: false))
        _ = run.take()
        run.session.sayGoodbye(isLast: true)
        run.receive(
            ClientFrames.request(3, ends: false) + ClientFrames.frame(0, 1, 3, [1]) + ClientFrames.frame(0, 1, 1, [1]))
        run.session.sayGoodbye(.protocolError, isLast: true)
        #expect(run.events.count == 2 && run.events[1].hasPrefix("data(1, true)"))
        let goodbyes = run.take().filter { $0.kind == 7 }.map { Array($0.payload.prefix(4)) }
        #expect(goodbyes == [ClientFrames.number(1), ClientFrames.number(1)])
    }

    @Test func `a block that is far too large ends the connection, one that is too large is a request with a fault`() {
        let wide = (0..<3).map { ("x-\($0)", String(repeating: "a", count: 8000)) }
        let block = ClientFrames.block(ClientFrames.get("/", wide))
        let pieces =
            ClientFrames.frame(1, 1, 1, Array(block[..<16_000])) + ClientFrames.frame(9, 4, 1, Array(block[16_000...]))
        let large = run(pieces, ClientFrames.request(3))
        #expect(large.error == nil && large.events.count == 2 && large.events[0].contains("together are larger"))
        let piece = Array(repeating: UInt8(0x82), count: 16_000)
        let flood = run(
            ClientFrames.frame(1, 1, 1, piece), ClientFrames.frame(9, 0, 1, piece), ClientFrames.frame(9, 0, 1, piece),
            ClientFrames.frame(9, 0, 1, piece), ClientFrames.frame(9, 0, 1, piece))
        #expect(flood.error == .enhanceYourCalm)
    }

    @Test func `a small block that unfolds into very much ends the connection`() {
        let wide = ClientFrames.block([("x-wide", String(repeating: "a", count: 3900))], enters: true)
        let first = ClientFrames.frame(1, 4, 1, ClientFrames.block(ClientFrames.get()) + wide)
        var run = run(first)
        run.session.reset(1, .none)
        run.receive(ClientFrames.frame(1, 5, 1, Array(repeating: 0xbe, count: 16_000)))
        #expect(run.error == .enhanceYourCalm)
    }

    @Test func `a table that was emptied in between is known to be empty`() {
        var run = run(ClientFrames.request(1), ClientFrames.request(3))
        respond(&run.session, "HTTP/1.1 200 OK\r\nX-App: one\r\n\r\n", toHead: true, on: 1)
        _ = run.take()
        func setting(_ size: UInt32) -> [UInt8] { [0, 1] + ClientFrames.number(size) }
        run.receive(ClientFrames.frame(4, 0, 0, setting(0) + setting(4096)))
        respond(&run.session, "HTTP/1.1 200 OK\r\nX-App: one\r\n\r\n", toHead: true, on: 3)
        let block = run.take().filter { $0.kind == 1 }.flatMap(\.payload)
        // Two size updates, and the field once more as a literal.
        #expect(block.prefix(4) == [0x20, 0x3f, 0xe1, 0x1f])
        #expect(Self.fields(block) == ":status: 200\r\nx-app: one\r\n")
    }

    @Test func `resets and pings are forgiven when time has passed`() {
        var run = run()
        for round in 0..<3 {
            run.session.now = UInt64(round) * 31_000_000_000 + 1
            for index in 0..<200 {
                let stream = UInt32(round * 400 + index * 2 + 1)
                run.receive(ClientFrames.request(stream) + ClientFrames.frame(3, 0, stream, ClientFrames.number(8)))
            }
        }
        #expect(run.error == nil)
        run.receive(ClientFrames.request(2001) + ClientFrames.frame(3, 0, 2001, ClientFrames.number(8)))
        #expect(run.error == .enhanceYourCalm)
    }
}
