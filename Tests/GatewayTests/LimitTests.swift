import Gateway
import HTTPWire
import MachinePool
import NIOConcurrencyHelpers
import NIOCore
import Testing

@Suite(.timeLimit(.minutes(1))) struct LimitTests {
    /// Head limits that a test reaches soon.
    private static func small(_ gateway: inout GatewayConfiguration, _ pool: inout PoolConfiguration) {
        gateway.limits.head.target = 100
        gateway.limits.head.field = 200
        gateway.limits.head.head = 1000
        gateway.limits.head.fields = 10
        gateway.limits.body = 10
    }

    @Test(arguments: [
        (get("/" + String(repeating: "x", count: 100)), 414, "target-too-long"),
        (get("/", "A: " + String(repeating: "x", count: 200) + "\r\n"), 431, "field-too-large"),
        (get("/", String(repeating: "A: \(String(repeating: "x", count: 150))\r\n", count: 7)), 431, "head-too-large"),
        (get("/", String(repeating: "A: b\r\n", count: 10)), 431, "too-many-fields"),
        ("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 11\r\n\r\n", 413, "body-too-large"),
        (
            "POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n", 413,
            "body-too-large"
        ),
        ("GET / HTTP/2.0\r\nHost: app\r\n\r\n", 505, "unsupported-version"),
        ("TRACE / HTTP/1.1\r\nHost: app\r\n\r\n", 405, "trace-refused"),
        ("CONNECT app:80 HTTP/1.1\r\nHost: app:80\r\n\r\n", 501, "connect-refused"),
        ("GET / HTTP/1.1\r\nHost: app\r\nExpect: money\r\n\r\n", 417, "unknown-expectation"),
    ])
    func `what is too much or not offered has its status, its name and an id`(
        _ request: String, _ status: Int, _ label: String
    ) async throws {
        try await withGateway { _, _ in
            [ok("x")]
        } configure: {
            Self.small(&$0, &$1)
        } _: { fixture in
            let response = try await fixture.ask(request)
            #expect(response.hasPrefix("HTTP/1.1 \(status) "))
            #expect(response.contains("\r\nX-Fcctl-Error: \(label)\r\n") && response.contains("\r\nX-Request-Id: "))
            #expect(response.contains("\r\nProxy-Status: fcctl; error=http_request_error\r\n"))
            #expect(response.contains("\"request_id\":\"") && response.contains("\"status\":\(status)"))
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `the body of a request that goes no further is never taken for a request`() async throws {
        try await withGateway { _, _ in
            [ok("x")]
        } _: { fixture in
            let body = get("/smuggled")
            let client = try await fixture.client()
            try await client.send(
                "OPTIONS / HTTP/1.1\r\nHost: app\r\nMax-Forwards: 0\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
                    + body)
            let response = try await client.readAll()
            #expect(response.hasPrefix("HTTP/1.1 200 ") && response.contains("Connection: close"), "\(response)")
            #expect(response.split(separator: "HTTP/1.1 ").count == 1, "\(response)")
            #expect(fixture.app.seen.requests.isEmpty)
        }
    }

    @Test func `a browser gets a page, with the same id as the header`() async throws {
        try await withGateway { _, _ in
            [.close]
        } _: { fixture in
            let response = try await fixture.ask(
                "POST / HTTP/1.1\r\nHost: app\r\nAccept: text/html,*/*;q=0.8\r\nContent-Length: 0\r\n\r\n")
            #expect(response.hasPrefix("HTTP/1.1 502 ") && response.contains("Content-Type: text/html"))
            let id = response.split(separator: "X-Request-Id: ")[1].prefix(32)
            #expect(response.contains("Request \(id)</p>"))
        }
    }

    @Test func `a request that takes too long altogether is a 504, or breaks off`() async throws {
        try await withGateway { request, _ in
            request.contains("/begun")
                ? [.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), .wait(.seconds(60))]
                : [.wait(.seconds(60))]
        } configure: { gateway, _ in
            gateway.timeouts.request = .seconds(1)
        } _: { fixture in
            let response = try await fixture.ask(get("/"))
            #expect(response.hasPrefix("HTTP/1.1 504 ") && response.contains("request-timeout"))
            let begun = try await fixture.client()
            try await begun.send(get("/begun"))
            #expect(try await begun.readAll().hasSuffix("\r\n\r\nabc"))
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `a machine that no connection reaches in time is a 504`() async throws {
        try await withGateway { _, _ in
            [ok("x")]
        } configure: { gateway, _ in
            gateway.timeouts.connect = .milliseconds(100)
        } connector: {
            SilentConnector(inner: $0)
        } _: { fixture in
            let response = try await fixture.ask(get("/"))
            #expect(response.hasPrefix("HTTP/1.1 504 ") && response.contains("connection_timeout"))
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `connections beyond the limits are refused, and welcome again when others have gone`() async throws {
        try await withGateway { _, _ in
            [ok("x")]
        } configure: { gateway, _ in
            gateway.limits.connections = 3
            gateway.limits.connectionsPerClient = 2
        } _: { fixture in
            let first = try await fixture.client()
            let second = try await fixture.client()
            for client in [first, second] {
                try await client.send(get("/"))
                #expect(try await client.response().hasSuffix("x"))
            }
            let third = try await fixture.client()
            let refused = try await third.readAll()
            #expect(refused.hasPrefix("HTTP/1.1 503 ") && refused.contains("too-many-connections-of-client"))
            #expect(refused.contains("\r\nRetry-After: 1\r\n") && refused.contains("Connection: close"))
            try await third.close()
            try await first.close()
            var response = ""
            for _ in 0..<200 where !response.hasSuffix("x") {
                response = try await fixture.ask(get("/"))
            }
            #expect(response.hasSuffix("x"))
        }
        try await withGateway { _, _ in
            [ok("x")]
        } configure: { gateway, _ in
            gateway.limits.connections = 1
        } _: { fixture in
            let first = try await fixture.client()
            try await first.send(get("/"))
            #expect(try await first.response().hasSuffix("x"))
            let refused = try await fixture.client()
            #expect(try await refused.readAll().contains("X-Fcctl-Error: too-many-connections\r\n"))
        }
    }

    @Test func `a trusted proxy has no limit of its own`() async throws {
        try await withGateway { _, _ in
            [ok("x")]
        } configure: { gateway, _ in
            gateway.limits.connectionsPerClient = 1
            gateway.trustedProxies = [AddressBlock("127.0.0.1")].compactMap { $0 }
        } _: { fixture in
            let first = try await fixture.client()
            try await first.send(get("/"))
            #expect(try await first.response().hasSuffix("x"))
            #expect(try await fixture.ask(get("/")).hasSuffix("x"))
        }
    }
}

/// Gives no connection before the time is over, as a machine that drops every packet.
struct SilentConnector: UpstreamConnector {
    let inner: any UpstreamConnector
    /// How often it is silent.
    let times: NIOLockedValueBox<Int>

    init(inner: any UpstreamConnector, times: Int = .max) {
        self.inner = inner
        self.times = NIOLockedValueBox(times)
    }

    func connect(to machine: MachineRef, timeout: Duration) async throws(UpstreamError) -> Int32 {
        let isSilent = times.withLockedValue { times in
            times -= 1
            return times >= 0
        }
        guard isSilent else { return try await inner.connect(to: machine, timeout: timeout) }
        // Cancelled: as if the time were over.
        try? await Task.sleep(for: timeout)
        throw .timedOut
    }

    func describe(_ machine: MachineRef) -> UpstreamDescription { inner.describe(machine) }
}
