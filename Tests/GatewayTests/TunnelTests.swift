import Gateway
import MachinePool
import NIOConcurrencyHelpers
import NIOCore
import Testing

@Suite(.timeLimit(.minutes(1))) struct TunnelTests {
    static let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"
    static let switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

    @Test func `after the app's 101 bytes pass both ways, early ones too, until one side ends`() async throws {
        try await withGateway { _, _ in
            [.send(Self.switching + "hi"), .echo()]
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send(get("/ws", Self.upgrade) + "early")
            let head = try await client.read(until: "\r\n\r\n")
            #expect(head.hasPrefix("HTTP/1.1 101 ") && head.contains("\r\nUpgrade: websocket\r\n"))
            let greeting = try await client.read(until: "early")
            #expect(greeting == "hiearly" || greeting == "hi")
            for number in 0..<20 {
                try await client.send("ping \(number).")
                _ = try await client.read(until: "ping \(number).")
            }
            #expect(fixture.pool.status().requests.active == 1)
            try await client.close()
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `an upgrade the app refuses is an ordinary response`() async throws {
        try await withGateway { _, _ in
            [ok("no")]
        } _: { fixture in
            let client = try await fixture.client()
            for _ in 0..<2 {
                try await client.send(get("/ws", Self.upgrade))
                let response = try await client.response()
                #expect(response.hasPrefix("HTTP/1.1 200 OK") && response.hasSuffix("no"))
            }
        }
    }

    @Test func `bytes sent early for a refused upgrade are never taken for a request`() async throws {
        try await withGateway { _, _ in
            [ok("no")]
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send(get("/ws", Self.upgrade) + get("/smuggled"))
            let response = try await client.readAll()
            #expect(response.contains("Connection: close"))
            #expect(!fixture.app.seen.requests.contains { $0.contains("/smuggled") })
        }
    }

    @Test func `bytes sent early for an upgrade that fails are never taken for a request`() async throws {
        try await withGateway { _, _ in
            [.close]
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send(get("/ws", Self.upgrade) + get("/smuggled"))
            let response = try await client.readAll()
            #expect(response.hasPrefix("HTTP/1.1 502 ") && response.contains("Connection: close"), "\(response)")
            #expect(!fixture.app.seen.requests.contains { $0.contains("/smuggled") })
        }
    }

    @Test func `a tunnel ends when the app does, and after its idle time`() async throws {
        try await withGateway { request, _ in
            request.contains("/end")
                ? [.send(Self.switching + "bye"), .close] : [.send(Self.switching), .wait(.seconds(60))]
        } configure: { gateway, _ in
            gateway.timeouts.tunnelIdle = .milliseconds(200)
        } _: { fixture in
            let first = try await fixture.client()
            try await first.send(get("/end", Self.upgrade))
            #expect(try await first.readAll().hasSuffix("\r\n\r\nbye"))
            let second = try await fixture.client()
            try await second.send(get("/idle", Self.upgrade))
            #expect(try await second.readAll().hasSuffix("\r\n\r\n"))
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `each direction of a tunnel ends by itself`() async throws {
        let size = 3 << 20
        try await withGateway { request, _ in
            request.contains("/app")
                ? [.send(Self.switching + "bye"), .halfClose, .echo()] : [.send(Self.switching), .echo(last: size)]
        } _: { fixture in
            // The client has said everything, and the app answers that with a lot.
            let client = try await fixture.client()
            try await client.send(get("/client", Self.upgrade))
            _ = try await client.read(until: "\r\n\r\n")
            try await client.send("question")
            try await client.halfClose()
            #expect(try await client.drain() == "question".utf8.count + size)
            // The app has said everything, and the client goes on.
            let other = try await fixture.client()
            try await other.send(get("/app", Self.upgrade))
            #expect(try await other.readAll().hasSuffix("bye"))
            let before = fixture.app.seen.received
            try await other.send("still here")
            let app = fixture.app
            #expect(try await fixture.eventually { app.seen.received >= before + "still here".utf8.count })
            try await other.close()
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `half a tunnel lasts no longer than a silent body, and SIGTERM leaves a whole one its time`()
        async throws
    {
        try await withGateway { request, _ in
            request.contains("/half")
                ? [.send(Self.switching), .halfClose, .echo()] : [.send(Self.switching), .echo()]
        } configure: { gateway, _ in
            gateway.timeouts.bodyIdle = .milliseconds(200)
            gateway.timeouts.tunnelDrain = .milliseconds(400)
        } _: { fixture in
            let half = try await fixture.client()
            try await half.send(get("/half", Self.upgrade))
            #expect(try await half.readAll().hasSuffix("\r\n\r\n"))
            #expect(try await fixture.isAtRest())
            let whole = try await fixture.client()
            try await whole.send(get("/whole", Self.upgrade))
            _ = try await whole.read(until: "\r\n\r\n")
            let began = ContinuousClock.now
            async let drained: Void = fixture.gateway.drain(deadline: .seconds(20))
            try await whole.send("ping")
            #expect(try await whole.read(until: "ping") == "ping")
            #expect(try await whole.readAll() == "")
            await drained
            #expect(ContinuousClock.now - began < .seconds(15))
        }
    }
    @Test(arguments: [(up: 6 << 20, down: 0), (up: 0, down: 6 << 20), (up: 6 << 20, down: 6 << 20)])
    func `what waits for one end of a tunnel arrives there, although both ends have said everything`(
        _ up: Int, _ down: Int
    ) async throws {
        let (atApp, atClient) = (PacedPeer.Log(.init()), PacedPeer.Log(.init()))
        let app = try await PacedPeer.listen(Self.switching, sending: down, atApp)
        try await withGateway(
            { _, _ in [] }, upstreams: ["127.0.0.1:\(app.localAddress?.port ?? 0)"]
        ) { fixture in
            let client = try await PacedPeer.connect(
                fixture.port, get("/ws", Self.upgrade), sending: up, atClient)
            #expect(
                try await fixture.eventually {
                    atApp.withLockedValue { $0.hasEnd } && atClient.withLockedValue { $0.hasEnd }
                })
            #expect(atApp.withLockedValue { $0.bytes } == up)
            #expect(atClient.withLockedValue { $0.bytes } == down)
            #expect(try await fixture.isAtRest())
            try? await client.close()
        }
        try await app.close()
    }

    @Test func `a machine that takes nothing of what waits for it is not waited for`() async throws {
        let log = PacedPeer.Log(.init())
        let app = try await PacedPeer.listen(Self.switching, sending: 0, pause: .hours(1), log)
        try await withGateway({ _, _ in [] }, upstreams: ["127.0.0.1:\(app.localAddress?.port ?? 0)"]) { gateway, _ in
            gateway.timeouts.bodyIdle = .milliseconds(300)
        } _: { fixture in
            let client = try await PacedPeer.connect(
                fixture.port, get("/ws", Self.upgrade), sending: 3 << 20, PacedPeer.Log(.init()))
            #expect(try await fixture.eventually { fixture.pool.status().requests.active == 1 })
            #expect(try await fixture.isAtRest())
            try? await client.close()
        }
        try await app.close()
    }
}
