import MachinePool
import NIOConcurrencyHelpers
import Testing

@testable import Gateway

/// Ends that come in the middle of something.
@Suite(.timeLimit(.minutes(1))) struct EndingTests {
    private static func post(_ path: String) -> String {
        "POST \(path) HTTP/1.1\r\nHost: app\r\nContent-Length: 0\r\n\r\n"
    }

    @Test func `a machine that fails in the moment of sending takes nothing of the next request with it`() async throws
    {
        try await withGateway { request, _ in
            [ok(request.hasPrefix("POST /second ") ? "second" : "other")]
        } connector: {
            DeadConnector(inner: $0, times: 1)
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send(Self.post("/first") + Self.post("/second"))
            let first = try await client.response()
            #expect(first.hasPrefix("HTTP/1.1 502 ") && first.contains("instance-broke-connection"), "\(first)")
            #expect(try await client.response().hasSuffix("second"))
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `a connection that is there already is asked for once`() async throws {
        let questions = NIOLockedValueBox(0)
        try await withGateway { _, _ in
            [ok("x")]
        } connector: {
            DeadConnector(inner: $0, times: 0, questions: questions)
        } _: { fixture in
            let response = try await fixture.ask(get("/"))
            #expect(response.hasSuffix("x"))
            #expect(questions.withLockedValue { $0 } == 1)
        }
    }

    @Test func `a client that has said everything gets the rest of the last response`() async throws {
        let size = 12 << 20
        try await withGateway { _, _ in
            [.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n"), .bytes(size)]
        } _: { fixture in
            let client = try PacedClient(port: fixture.port, sending: get("/", "Connection: close\r\n"))
            // Until the machine is done, and what it said last waits for the client to make room.
            while fixture.pool.status().requests.succeeded == 0, client.read(32 * 1024) == nil {
                try await Task.sleep(for: .milliseconds(1))
            }
            client.halfClose()
            #expect(client.received < size)
            #expect(try await client.keepReading(1 << 20) == .finished)
            #expect(client.received > size)
        }
    }

    @Test func `a machine that falls silent in its answer has failed, one whose client does not take it has not`()
        async throws
    {
        try await withGateway { request, _ in
            request.contains("/silent")
                ? [.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), .wait(.seconds(60))]
                : [.send("HTTP/1.1 200 OK\r\nContent-Length: \(64 << 20)\r\n\r\n"), .bytes(64 << 20)]
        } configure: { gateway, _ in
            gateway.timeouts.responseIdle = .milliseconds(300)
            gateway.timeouts.bodyIdle = .milliseconds(300)
        } _: { fixture in
            let client = try PacedClient(port: fixture.port, sending: get("/untaken"))
            #expect(try await client.isCutOff())
            #expect(try await fixture.isAtRest())
            #expect(fixture.pool.status().requests.failed == 0)
            #expect(try await fixture.ask(get("/silent")).hasSuffix("\r\n\r\nabc"))
            #expect(try await fixture.isAtRest())
            #expect(fixture.pool.status().requests.failed == 1)
        }
    }
}
