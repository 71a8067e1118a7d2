import Gateway
import MachinePool
import NIOCore
import Testing

@Suite(.timeLimit(.minutes(1))) struct AdminTests {
    private static func local(_ method: String, _ path: String, host: String = "localhost:8080") -> String {
        "\(method) \(path) HTTP/1.1\r\nHost: \(host)\r\n\r\n"
    }

    @Test func `status and instances are JSON`() async throws {
        try await withGateway { _, _ in
            [ok("app")]
        } _: { fixture in
            _ = try await fixture.ask(get("/"))
            let status = try await fixture.ask(Self.local("GET", "/api/status"))
            #expect(status.hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: application/json"))
            #expect(status.contains("\"total\":1") && status.contains("\"max\":4"))
            let instances = try await fixture.ask(Self.local("GET", "/api/instances?x=1", host: "127.0.0.1"))
            #expect(instances.contains("\r\n\r\n[{") && instances.contains("\"id\":\"upstream-0-"))
            let client = try await fixture.client()
            try await client.send(Self.local("HEAD", "/api/status") + Self.local("GET", "/api/none"))
            let head = try await client.read(until: "\r\n\r\n")
            #expect(head.contains("application/json") && head.contains("Content-Length: "))
            let other = try await client.response()
            #expect(other.hasSuffix("\r\n\r\napp"))
        }
    }

    @Test(arguments: [
        "example.com", "127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", "[::2]", "1270.0.0.1",
    ])
    func `under any other name the paths are the app's`(_ host: String) async throws {
        try await withGateway { _, _ in
            [ok("app")]
        } _: { fixture in
            let response = try await fixture.ask(Self.local("GET", "/api/status", host: host))
            #expect(response.hasSuffix("\r\n\r\napp"))
        }
    }

    @Test func `only GET is answered, and without admin paths everything is the app's`() async throws {
        try await withGateway { _, _ in
            [ok("app")]
        } _: { fixture in
            let response = try await fixture.ask(Self.local("DELETE", "/api/status"))
            #expect(response.hasPrefix("HTTP/1.1 405 ") && response.contains("Allow: GET"))
        }
        try await withGateway { _, _ in
            [ok("app")]
        } configure: { gateway, _ in
            gateway.servesAdmin = false
        } _: { fixture in
            let response = try await fixture.ask(Self.local("GET", "/api/status"))
            #expect(response.hasSuffix("\r\n\r\napp"))
        }
    }

    @Test func `events are told as they happen, to as many readers as may be`() async throws {
        try await withGateway { _, _ in
            [ok("app")]
        } configure: { gateway, pool in
            gateway.limits.subscribers = 1
            pool.min = 0
        } _: { fixture in
            let reader = try await fixture.client()
            try await reader.send(Self.local("GET", "/api/events"))
            let head = try await reader.read(until: "\r\n\r\n")
            #expect(head.contains("text/event-stream"))
            let first = try await reader.read(until: "}\n\n")
            #expect(first.contains("event: status\ndata: {"))
            let refused = try await fixture.ask(Self.local("GET", "/api/events"))
            #expect(refused.hasPrefix("HTTP/1.1 503 "))
            _ = try await fixture.ask(get("/"))
            let events = try await reader.read(until: "\"state\":\"idle\"")
            #expect(events.contains("event: machine\ndata: {"))
            try await reader.close()
        }
    }
}
