import MachinePool
import Testing

@testable import Gateway

@Suite(.serialized) struct HTTP2Tests {
    private func connect(_ fixture: Fixture, _ settings: [(UInt16, UInt32)] = []) async throws -> FrameClient {
        try await FrameClient.connect(fixture.port, on: fixture.group, settings: settings)
    }

    @Test func `the settings are those we promise`() async throws {
        try await withGateway({ _, _ in [ok("")] }) { fixture in
            let client = try await connect(fixture)
            try await client.read { $0.windowUpdates[0] != nil }
            #expect(client.settings == [3: 100, 4: 65_535, 6: 16 * 1024])
            #expect(65_535 + (client.windowUpdates[0] ?? 0) == 1 << 20)
        }
    }

    @Test func `the number of streams is the user's`() async throws {
        try await withGateway({ _, _ in [ok("")] }, configure: { gateway, _ in gateway.limits.streams = 7 }) {
            fixture in
            let client = try await connect(fixture)
            try await client.read { $0.windowUpdates[0] != nil }
            #expect(client.settings[3] == 7)
        }
    }

    @Test func `a response comes whole, with the gateway's headers in lower case`() async throws {
        try await withGateway({ _, _ in
            [.send("HTTP/1.1 201 Made\r\nContent-Length: 2\r\nX-App: Yes\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\nhi")]
        }) { fixture in
            let client = try await connect(fixture)
            try await client.send(.headers(h2()))
            let result = try await client.result()
            #expect(result.status == 201)
            #expect(result.text == "hi")
            #expect(result.field("x-app") == "Yes")
            #expect(result.field("content-length") == "2")
            for name in ["connection", "x-hop", "transfer-encoding", "keep-alive"] {
                #expect(result.field(name) == nil)
            }
            for name in ["x-instance-id", "x-latency-ms", "x-start-type", "server-timing", "x-request-id", "date"] {
                #expect(result.field(name) != nil, "no \(name)")
            }
        }
    }

    @Test(arguments: [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 200, ""),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, ""),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", 200, "abc"),
        ("GET", "HTTP/1.1 404 \r\nContent-Length: 1\r\n\r\nx", 404, "x"),
    ])
    func `a response ends where its framing says`(
        _ method: String, _ response: String, _ status: Int, _ body: String
    ) async throws {
        try await withGateway({ _, _ in [.send(response)] }) { fixture in
            let client = try await connect(fixture)
            for stream in [UInt32(1), 3] {
                try await client.send(.headers(h2(method), stream: stream))
                let result = try await client.result(of: stream)
                #expect(result.status == status && result.text == body && result.ended && result.reset == nil)
            }
            // One of them only asked whether the app listens.
            #expect(fixture.app.seen.connections == 2)
        }
    }

    @Test func `informational responses and trailers pass`() async throws {
        try await withGateway({ _, _ in
            [
                .send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
                .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n"),
                .send("0\r\nX-Sum: 6\r\n\r\n"),
            ]
        }) { fixture in
            let client = try await connect(fixture)
            try await client.send(.headers(h2()))
            let result = try await client.result()
            #expect(result.heads.map { $0.first?.value } == ["103", "200", "6"])
            #expect(result.heads[0].contains { $0.name == "link" })
            #expect(result.text == "abc" && result.ended)
        }
    }

    @Test func `an app that ends with its connection ends the stream`() async throws {
        try await withGateway({ _, _ in [.send("HTTP/1.1 200 OK\r\n\r\nuntil the end"), .close] }) { fixture in
            let client = try await connect(fixture)
            try await client.send(.headers(h2()))
            let result = try await client.result()
            #expect(result.text == "until the end" && result.ended && result.reset == nil)
        }
    }

    @Test(arguments: [
        [ScriptedApp.Step.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), .close],
        [.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), .reset],
        [.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"), .close],
        [.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf"), .reset],
        [.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n")],
        [.send("HTTP/1.1 200 OK\r\n\r\nhalf"), .reset],
    ])
    func `a response that breaks off is reset and never ended`(_ steps: [ScriptedApp.Step]) async throws {
        try await withGateway({ _, _ in steps }) { fixture in
            let client = try await connect(fixture)
            try await client.send(.headers(h2()))
            let result = try await client.result()
            #expect(result.text == "half" && !result.ended)
            #expect(result.reset == 2)
            // The connection is none the worse for it.
            try await client.send(.headers(h2(), stream: 3))
            #expect(try await client.result(of: 3).reset == 2)
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `an app that closes without an answer is a 502 with its reason`() async throws {
        try await withGateway({ _, _ in [.close] }) { fixture in
            let client = try await connect(fixture)
            try await client.send(.headers(h2("POST", "/", [("content-length", "0")])))
            let result = try await client.result()
            #expect(result.status == 502)
            #expect(result.field("content-type") == "application/problem+json")
            #expect(result.text.contains("instance-broke-connection"))
            try await client.send(.headers(h2("HEAD"), stream: 3))
            #expect(try await client.result(of: 3).body.isEmpty)
        }
    }

    @Test func `a client that resets its stream cancels the request, and its lease is back`() async throws {
        try await withGateway({ _, _ in [.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), .wait(.seconds(60))] })
        {
            fixture in
            let client = try await connect(fixture)
            try await client.send(.headers(h2()))
            try await client.read { $0.streams[1]?.status != nil }
            #expect(fixture.pool.status().requests.active == 1)
            try await client.send(.reset())
            #expect(try await fixture.isAtRest())
            #expect(try await fixture.eventually { fixture.app.seen.closed == 2 })
            try await client.send(.ping())
            try await client.read { $0.pongs == 1 }
        }
    }

    @Test func `requests of one connection run side by side`() async throws {
        try await withGateway({ request, _ in
            request.contains("/slow") ? [.wait(.milliseconds(300)), ok("slow")] : [ok("fast")]
        }) { fixture in
            let client = try await connect(fixture)
            try await client.send(
                .headers(h2("GET", "/slow")), .headers(h2("GET", "/fast"), stream: 3),
                .headers(h2("GET", "/fast"), stream: 5))
            #expect(try await client.result(of: 5).text == "fast")
            #expect(client.streams[1]?.ended != true)
            #expect(try await client.result(of: 1).text == "slow")
            #expect(client.streams[3]?.text == "fast")
        }
    }

    @Test func `a stream above the limit is refused and can be asked for again`() async throws {
        try await withGateway({ _, _ in [.wait(.seconds(60))] }, configure: { $1.concurrency = 100 }) { fixture in
            let client = try await connect(fixture)
            try await client.send((0..<102).map { .headers(h2(), stream: UInt32($0 * 2 + 1)) })
            #expect(try await client.result(of: 201).reset == 7)
            #expect(try await client.result(of: 203).reset == 7)
            // Where one has ended, another may begin.
            try await client.send(.reset(stream: 1), .headers(h2(), stream: 205), .ping())
            try await client.read { $0.pongs == 1 }
            #expect(client.streams[205]?.reset == nil && client.goodbye == nil)
        }
    }

    @Test func `an answer before the end of the request tells the client to stop sending`() async throws {
        try await withGateway({ _, _ in [ok("enough")] }, configure: { gateway, _ in gateway.limits.body = 10 }) {
            fixture in
            let client = try await connect(fixture)
            try await client.send(.headers(h2("POST", "/", [("content-length", "100000")]), flags: 4))
            let result = try await client.result()
            #expect(result.status == 413 && result.ended)
            try await client.read { $0.streams[1]?.reset != nil }
            #expect(client.streams[1]?.reset == 0)
        }
    }

    @Test func `a client that takes nothing holds up the app, and nobody else`() async throws {
        let size = 8 << 20
        try await withGateway({ request, _ in
            request.contains("/big")
                ? [.send("HTTP/1.1 200 OK\r\nContent-Length: \(8 << 20)\r\n\r\n"), .bytes(8 << 20)] : [ok("small")]
        }) { fixture in
            let client = try await connect(fixture)
            try await client.send(.headers(h2("GET", "/big")))
            try await client.read { ($0.streams[1]?.body.count ?? 0) >= 65_535 }
            // The window is used up: not a byte more comes, and other streams go on.
            try await client.send(.windowUpdate(stream: 0, by: 1 << 20), .headers(h2("GET", "/small"), stream: 3))
            #expect(try await client.result(of: 3).text == "small")
            #expect(client.streams[1]?.body.count == 65_535)
            try await client.send(
                .windowUpdate(stream: 0, by: UInt32(size)), .windowUpdate(stream: 1, by: UInt32(size)))
            let result = try await client.result()
            #expect(result.body.count == size && result.ended)
        }
    }

    @Test func `a body that the app does not take is not taken from the client`() async throws {
        try await withGateway(
            { _, _ in [.wait(.seconds(60))] },
            configure: { gateway, _ in
                gateway.limits.replay = 1024
            }
        ) { fixture in
            let client = try await connect(fixture)
            try await client.send(.headers(h2("POST"), flags: 4))
            // No machine reads on: the stream's window is not opened again for long.
            for _ in 0..<4 { try await client.send(.data(String(repeating: "x", count: 16_000), ends: false)) }
            try await client.send(.ping())
            try await client.read { $0.pongs == 1 }
            #expect(client.streams[1]?.reset == nil)
            try await client.send(.reset())
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `fields pass with whatever bytes they hold`() async throws {
        let value = "caf\u{e9} \u{1f600}"
        try await withGateway({ request, _ in
            [.send("HTTP/1.1 200 OK\r\nX-Text: \(value)\r\nContent-Length: 0\r\n\r\n")]
        }) { fixture in
            let client = try await connect(fixture)
            try await client.send(.headers(h2("GET", "/", [("x-text", value)])))
            #expect(try await client.result().field("x-text") == value)
            #expect(fixture.app.seen.requests.first?.contains("x-text: \(value)\r\n") == true)
        }
    }

    @Test func `the preface is known however it is cut`() async throws {
        try await withGateway({ _, _ in [ok("cut")] }) { fixture in
            let client = FrameClient(try await fixture.client())
            for byte in FrameClient.preface { try await client.raw.send(String(byte)) }
            try await client.send(.settings(), .headers(h2()))
            #expect(try await client.result().text == "cut")
        }
    }

    @Test func `a preface is one only at the very beginning`() async throws {
        try await withGateway({ _, _ in [ok("one")] }) { fixture in
            let client = try await fixture.client()
            try await client.send(get("/"))
            #expect(try await client.response().hasSuffix("one"))
            try await client.send(FrameClient.preface)
            #expect(try await client.response().hasPrefix("HTTP/1.1 505"))
            #expect(try await fixture.ask("PRI / HTTP/2.0\r\n\r\n").hasPrefix("HTTP/1.1 505"))
        }
    }

    @Test func `Upgrade to h2c is answered in HTTP 1.1`() async throws {
        try await withGateway({ request, _ in [ok(request.contains("pgrade") ? "seen" : "plain")] }) { fixture in
            let answer = try await fixture.ask(
                get("/", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"))
            #expect(answer.hasPrefix("HTTP/1.1 200") && answer.hasSuffix("plain"))
        }
    }

    @Test func `the management paths answer by HTTP 2 as well`() async throws {
        try await withGateway({ _, _ in [ok("app")] }) { fixture in
            let client = try await connect(fixture)
            try await client.send(.headers(h2("GET", "/api/status", authority: "localhost")))
            let result = try await client.result()
            #expect(result.field("content-type") == "application/json" && result.text.contains("\"instances\""))
            try await client.send(.headers(h2("GET", "/api/events", authority: "localhost"), stream: 3))
            try await client.read { $0.streams[3]?.text.contains("event: status") ?? false }
            try await client.send(.reset(stream: 3))
        }
    }
}
