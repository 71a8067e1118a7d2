import Gateway
import MachinePool
import NIOCore
import Testing

@Suite(.timeLimit(.minutes(1))) struct TunnelTests {
    static let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"
    static let switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

    @Test func `after the app's 101 bytes pass both ways, early ones too, until one side ends`() async throws {
        try await withGateway { _, _ in
            [.send(Self.switching + "hi"), .echo]
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
}
