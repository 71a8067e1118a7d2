import MachinePool
import NIOConcurrencyHelpers
import NIOPosix
import Testing

@testable import Gateway

/// A gateway that speaks HTTP/2 to its machine, which is another gateway before a scripted app.
private func withLinkedGateways(
    _ script: @escaping ScriptedApp.Script, speaks: AppProtocol = .h2c,
    configure: (inout GatewayConfiguration, inout PoolConfiguration) -> Void = { _, _ in },
    connector: (StaticUpstreams) -> any UpstreamConnector = { $0 },
    _ body: (_ front: Fixture, _ back: Fixture) async throws -> Void
) async throws {
    try await withGateway(script, configure: { $1.concurrency = 50 }) { back in
        try await withGateway(
            script, upstreams: ["127.0.0.1:\(back.port)"],
            configure: { gateway, pool in
                gateway.appProtocol = speaks
                pool.concurrency = 50
                pool.max = 1
                configure(&gateway, &pool)
            }, connector: connector
        ) { try await body($0, back) }
    }
}

@Suite(.serialized) struct MachineLinkTests {
    @Test func `requests and responses pass whole, all over one connection`() async throws {
        try await withLinkedGateways({ request, _ in
            request.hasPrefix("HEAD")
                ? [.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")]
                : request.contains("/empty") ? [.send("HTTP/1.1 204 No Content\r\n\r\n")] : [ok("hello")]
        }) { front, back in
            let answer = try await front.ask(get("/a?b"))
            #expect(answer.hasSuffix("hello"))
            let posted = try await front.ask("POST /p HTTP/1.1\r\nHost: app\r\nContent-Length: 3\r\n\r\nabc")
            #expect(posted.hasPrefix("HTTP/1.1 200"))
            let asker = try await front.client()
            try await asker.send("HEAD / HTTP/1.1\r\nHost: app\r\n\r\n")
            let head = try await asker.read(until: "\r\n\r\n")
            #expect(head.contains("Content-Length: 5") || head.contains("content-length: 5"), "\(head)")
            #expect(try await front.ask(get("/empty")).hasPrefix("HTTP/1.1 204"))
            let client = try await FrameClient.connect(front.port, on: front.group)
            try await client.send((0..<20).map { .headers(h2("GET", "/\($0)"), stream: UInt32($0 * 2 + 1)) })
            for stream in 0..<20 { #expect(try await client.result(of: UInt32(stream * 2 + 1)).text == "hello") }
            let requests = back.app.seen.requests.joined()
            #expect(requests.contains("GET /a?b HTTP/1.1") && requests.contains("\r\n\r\nabc"))
            #expect(requests.contains("Via: 1.1 fcctl") || requests.contains("via: 1.1 fcctl"))
            #expect(requests.contains("Via: 2.0 fcctl"))
            #expect(try await front.isAtRest())
            #expect(try await back.isAtRest())
        }
    }

    @Test func `trailers and informational responses pass both ways`() async throws {
        try await withLinkedGateways({ _, _ in
            [
                .send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
                .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"),
            ]
        }) { front, back in
            let client = try await FrameClient.connect(front.port, on: front.group)
            try await client.send(
                .headers(h2("POST", "/", [("te", "trailers")]), flags: 4), .data("up", ends: false),
                .headers([("x-up", "2")]))
            let result = try await client.result()
            #expect(result.heads.map { $0.first?.value } == ["103", "200", "6"])
            #expect(result.text == "abc")
            let request = back.app.seen.requests.joined()
            #expect(request.contains("2\r\nup\r\n0\r\nx-up: 2\r\n\r\n"), "\(request)")
        }
    }

    @Test func `a response that breaks off on the way is broken for the client`() async throws {
        try await withLinkedGateways({ _, _ in
            [.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), .wait(.milliseconds(50)), .close]
        }) { front, _ in
            let client = try await FrameClient.connect(front.port, on: front.group)
            try await client.send(.headers(h2()))
            let result = try await client.result()
            #expect(result.text == "half" && result.reset == 2 && !result.ended)
            #expect(try await front.isAtRest())
        }
    }

    @Test func `a client that leaves cancels the request all the way`() async throws {
        try await withLinkedGateways({ _, _ in [.wait(.seconds(60))] }) { front, back in
            let client = try await front.client()
            try await client.send(get("/"))
            #expect(try await back.eventually { back.pool.status().requests.active == 1 })
            try await client.reset()
            #expect(try await front.isAtRest())
            #expect(try await back.isAtRest())
        }
    }

    @Test func `bodies pass at the pace of who reads them`() async throws {
        let size = 4 << 20
        try await withLinkedGateways({ _, _ in
            [.send("HTTP/1.1 200 OK\r\nContent-Length: \(4 << 20)\r\n\r\n"), .bytes(4 << 20)]
        }) { front, _ in
            let client = try await front.client()
            try await client.send(get("/"))
            #expect(try await client.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
            #expect(try await client.drain(size) == size)
        }
    }

    /// Half written, a head would leave both ends of the connection with different tables, and the next request with
    /// fields of somebody else.
    @Test
    func
        `a head that one frame cannot carry passes to clients, is refused for machines, and the connection carries on`()
        async throws
    {
        let length = "Content-Length: 2\r\n\r\n"
        try await withLinkedGateways({ request, _ in
            request.contains("/wide")
                ? [.send("HTTP/1.1 200 OK\r\nX-Wide: \(String(repeating: "~{", count: 7500))\r\n" + length + "hi")]
                : [ok("hello")]
        }) { front, back in
            let client = try await FrameClient.connect(back.port, on: back.group)
            try await client.send(.headers(h2("GET", "/wide")))
            let first = try await client.result()
            #expect(first.status == 200 && first.field("x-wide")?.utf8.count == 15_000 && first.text == "hi")
            try await client.send(.headers(h2("GET", "/next"), stream: 3))
            #expect(try await client.result(of: 3).text == "hello")

            let before = front.app.seen.requests.count + back.app.seen.requests.count
            #expect(try await front.ask(get("/first")).hasSuffix("hello"))
            let wide = (0..<4).map { "X-Wide-\($0): \(String(repeating: "x", count: 4000))\r\n" }.joined()
            #expect(try await front.ask(get("/", wide)).hasPrefix("HTTP/1.1 431 "))
            #expect(try await front.ask(get("/second", "X-Mine: 1\r\n")).hasSuffix("hello"))
            let requests = back.app.seen.requests
            #expect(front.app.seen.requests.count + requests.count == before + 2)
            #expect(requests.last?.contains("x-mine: 1") == true && requests.last?.contains("ide") == false)
        }
    }

    @Test func `an app that does not speak HTTP 2 is found out, once`() async throws {
        try await withGateway(
            { request, _ in
                request.hasPrefix("PRI")
                    ? [.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), .close] : [ok("old")]
            }, configure: { gateway, _ in gateway.appProtocol = .auto }
        ) { fixture in
            for _ in 0..<3 {
                let answer = try await fixture.ask(get("/"))
                #expect(answer.hasSuffix("old"))
            }
            let loops = 2
            #expect(fixture.app.seen.requests.filter { $0.hasPrefix("PRI") }.count <= loops)
        }
    }

    @Test func `a machine that breaks off instead of answering has not said what its app speaks`() async throws {
        try await withLinkedGateways(
            { _, _ in [ok("new")] }, speaks: .auto, connector: { DeadConnector(inner: $0, times: 4) }
        ) { front, back in
            // Asked in HTTP/2 and then in HTTP/1.1, each time in vain. One for each event loop.
            for _ in 0..<2 {
                let client = try await front.client()
                try await client.send("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 0\r\n\r\n")
                #expect(try await client.response().hasPrefix("HTTP/1.1 502 "))
            }
            for _ in 0..<2 { #expect(try await front.ask(get("/")).hasSuffix("new")) }
            let requests = back.app.seen.requests
            #expect(requests.count == 2 && requests.allSatisfy { $0.contains("Via: 2.0 fcctl") }, "\(requests)")
        }
    }

    @Test func `an app that must speak HTTP 2 and does not is a 502`() async throws {
        try await withGateway(
            { _, _ in [.send("HTTP/1.1 400 Bad Request\r\n\r\n"), .close] },
            configure: { gateway, _ in
                gateway.appProtocol = .h2c
            }
        ) { fixture in
            let answer = try await fixture.ask(get("/"))
            #expect(answer.hasPrefix("HTTP/1.1 502"))
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `closing the connections of a machine closes the one that streams share`() async throws {
        try await withLinkedGateways({ _, _ in [ok("one")] }) { front, back in
            let first = try await front.ask(get("/"))
            #expect(first.hasSuffix("one"))
            let machine = MachineRef(slot: 0, generation: 1)
            await front.gateway.closeUpstreams(of: machine)
            let second = try await front.ask(get("/"))
            #expect(second.hasSuffix("one"))
            #expect(back.app.seen.requests.count == 2)
        }
    }

    /// The ids of a connection's streams only grow, and one past the last would be the end of the process.
    @Test func `a connection that has carried its share of streams makes room for another one`() async throws {
        let begun = NIOLockedValueBox(0)
        try await withLinkedGateways(
            { request, _ in request.contains("/slow") ? [.wait(.milliseconds(300)), ok("slow")] : [ok("quick")] },
            configure: { gateway, _ in gateway.limits.streamsPerMachineLink = 3 },
            connector: { CountingConnector(inner: $0, count: begun) }
        ) { front, back in
            let client = try await FrameClient.connect(front.port, on: front.group)
            try await client.send(.headers(h2("GET", "/slow"), stream: 1))
            #expect(try await back.eventually { back.pool.status().requests.active == 1 })
            for stream in [3, 5, 7] as [UInt32] {
                try await client.send(.headers(h2("GET", "/quick"), stream: stream))
                #expect(try await client.result(of: stream).text == "quick")
            }
            // What is in flight is finished where it was begun.
            #expect(try await client.result(of: 1).text == "slow")
            #expect(begun.withLockedValue { $0 } == 2)
            // More than one connection's share, all waiting for the same one.
            try await client.send((4..<14).map { .headers(h2("GET", "/quick"), stream: UInt32($0 * 2 + 1)) })
            for stream in 4..<14 { #expect(try await client.result(of: UInt32(stream * 2 + 1)).text == "quick") }
            #expect(try await front.isAtRest())
        }
    }
}

private struct CountingConnector: UpstreamConnector {
    let inner: any UpstreamConnector
    let count: NIOLockedValueBox<Int>

    func connect(to machine: MachineRef, timeout: Duration) async throws(UpstreamError) -> Int32 {
        count.withLockedValue { $0 += 1 }
        return try await inner.connect(to: machine, timeout: timeout)
    }

    func describe(_ machine: MachineRef) -> UpstreamDescription { inner.describe(machine) }
}
