import MachinePool
import NIOCore
import Testing

@testable import Gateway

/// The kernel takes megabytes for a client that takes nothing, and makes room known only when a third of them is gone.
@Suite(.timeLimit(.minutes(1))) struct SlowReaderTests {
    private static func page(_ size: Int) -> [ScriptedApp.Step] {
        [.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n"), .bytes(size)]
    }

    private static func short(_ gateway: inout GatewayConfiguration, _: inout PoolConfiguration) {
        gateway.timeouts.bodyIdle = .milliseconds(300)
    }

    @Test func `a client that takes nothing of its response is cut off, and its machine is free`() async throws {
        try await withGateway { _, _ in
            Self.page(64 << 20)
        } configure: {
            Self.short(&$0, &$1)
        } _: { fixture in
            let client = try PacedClient(port: fixture.port, sending: get("/"))
            #expect(try await client.isCutOff())
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `a client that takes nothing of what the kernel holds for it is cut off`() async throws {
        for lines in ["", "Connection: close\r\n"] {
            try await withGateway { _, _ in
                Self.page(400_000)
            } configure: {
                Self.short(&$0, &$1)
            } _: { fixture in
                let client = try PacedClient(port: fixture.port, sending: get("/", lines))
                #expect(try await fixture.eventually { fixture.pool.status().requests.succeeded == 1 })
                #expect(try await client.isCutOff(), "\(lines)")
            }
        }
    }

    @Test func `a slow client that keeps to the rate gets everything`() async throws {
        let size = 4 << 20
        for lines in ["", "Connection: close\r\n"] {
            try await withGateway { _, _ in
                Self.page(size)
            } configure: { gateway, _ in
                gateway.timeouts.bodyIdle = .seconds(1)
            } _: { fixture in
                let client = try PacedClient(port: fixture.port, sending: get("/", lines))
                let end = try await client.keepReading(12_000, limit: size)
                #expect(client.received >= size, "\(client.received) \(end)")
                #expect(try await fixture.isAtRest())
            }
        }
    }

    @Test func `a client that reads on slowly after the keep-alive time gets everything`() async throws {
        let size = 4 << 20
        try await withGateway { _, _ in
            Self.page(size)
        } configure: { gateway, _ in
            gateway.timeouts.bodyIdle = .seconds(1)
            gateway.timeouts.keepAlive = .milliseconds(200)
        } _: { fixture in
            let client = try PacedClient(port: fixture.port, sending: get("/"))
            let end = try await client.keepReading(12_000)
            #expect(client.received > size && end == .finished, "\(client.received) \(end)")
        }
    }

    @Test func `a client that has taken all there is may wait for more`() async throws {
        try await withGateway { _, _ in
            [
                .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"), .wait(.seconds(2)),
                .send("data: 2\n\n"), .close,
            ]
        } configure: {
            Self.short(&$0, &$1)
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send(get("/"))
            #expect(try await client.read(until: "data: 2\n\n").hasSuffix("data: 2\n\n"))
        }
    }

    @Test func `a connection of HTTP 2 whose client reads nothing is cut off, and its machines are free`() async throws
    {
        let window: [RawFrame] = [.windowUpdate(stream: 0, by: 1 << 30)]
        let requests: [RawFrame] = [1, 3, 5, 7].map { .headers(h2("GET", "/\($0)"), stream: $0) }
        let opening = [RawFrame.settings([(4, 1 << 30)])] + window + requests
        try await withGateway { _, _ in
            Self.page(64 << 20)
        } configure: {
            Self.short(&$0, &$1)
        } _: { fixture in
            let bytes = Array(FrameClient.preface.utf8) + opening.flatMap(\.bytes)
            let client = try PacedClient(port: fixture.port, sending: bytes)
            #expect(try await fixture.eventually { fixture.pool.status().requests.active > 0 })
            #expect(try await client.isCutOff())
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `a drain waits for a slow client of HTTP 2 to take its last response`() async throws {
        let size = 400_000
        try await withGateway { _, _ in
            Self.page(size)
        } _: { fixture in
            let frames: [RawFrame] = [.settings([(4, 1 << 30)]), .windowUpdate(stream: 0, by: 1 << 30), .headers(h2())]
            let bytes = Array(FrameClient.preface.utf8) + frames.flatMap(\.bytes)
            let client = try PacedClient(port: fixture.port, sending: bytes)
            #expect(try await fixture.eventually { fixture.pool.status().requests.succeeded == 1 })
            async let drained: Void = fixture.gateway.drain(deadline: .seconds(20))
            _ = try await client.keepReading(2000, limit: size)
            await drained
            #expect(client.received >= size, "\(client.received)")
        }
    }

    @Test func `the tail of a stream is waited for as long as its client takes it`() async throws {
        let size = 60_000
        try await withGateway { _, _ in
            Self.page(size)
        } configure: { gateway, _ in
            gateway.timeouts.bodyIdle = .milliseconds(600)
            gateway.timeouts.keepAlive = .milliseconds(300)
        } _: { fixture in
            let client = try await FrameClient.connect(fixture.port, on: fixture.group, settings: [(4, 1)])
            try await client.send(.headers(h2()))
            try await client.read { $0.streams[1]?.body.count == 1 }
            // The app has said everything long before the client has it.
            #expect(try await fixture.isAtRest())
            for _ in 0..<7 {
                try await Task.sleep(for: .milliseconds(200))
                try await client.send(.windowUpdate(stream: 1, by: 9000))
            }
            let result = try await client.result()
            #expect(result.body.count == size && result.ended && result.reset == nil)
        }
    }

    @Test func `the last frames of a stream wait for their client`() async throws {
        try await withGateway { _, _ in
            [ok("hello")]
        } configure: {
            Self.short(&$0, &$1)
        } _: { fixture in
            let client = try await FrameClient.connect(fixture.port, on: fixture.group, settings: [(4, 2)])
            try await client.send(.headers(h2()))
            try await client.read { $0.streams[1]?.text == "he" }
            try await Task.sleep(for: .milliseconds(600))
            try await client.send(.windowUpdate(stream: 1, by: 10))
            #expect(try await client.result().text == "hello")
        }
    }
}

struct TakingWatchTests {
    /// Half a minute, 240 bytes a second.
    private func look(_ watch: inout TakingWatch, _ written: Int, _ owed: Int, at second: UInt64) -> TakingWatch.Verdict
    {
        watch.look(written: written, owed: owed, now: second * 1_000_000_000, span: 30_000_000_000, rate: 240)
    }

    @Test func `who is owed nothing is never slow`() {
        var watch = TakingWatch()
        for second in stride(from: 1, to: 200, by: 30) {
            #expect(look(&watch, 0, 0, at: UInt64(second)) == .owedNothing)
        }
    }

    @Test func `who takes nothing is too slow when the span is over, and not before`() {
        var watch = TakingWatch()
        #expect(look(&watch, 1000, 1000, at: 1) == .keepsUp)
        #expect(look(&watch, 1000, 1000, at: 30) == .keepsUp)
        #expect(look(&watch, 1000, 1000, at: 31) == .tooSlow)
    }

    @Test func `who takes a little less than the rate is too slow, who takes a little more is not`() {
        for (taken, verdict) in [(7199, TakingWatch.Verdict.tooSlow), (7200, .keepsUp)] {
            var watch = TakingWatch()
            #expect(look(&watch, 100_000, 90_000, at: 1) == .keepsUp)
            #expect(look(&watch, 100_000, 90_000 - taken, at: 31) == verdict)
        }
    }

    @Test func `who takes the little there was keeps up, whatever has been written meanwhile`() {
        var watch = TakingWatch()
        #expect(look(&watch, 500, 200, at: 1) == .keepsUp)
        #expect(look(&watch, 800, 300, at: 31) == .keepsUp)
        #expect(look(&watch, 900, 301, at: 61) == .tooSlow)
    }
}
