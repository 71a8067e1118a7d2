import Gateway
import MachinePool
import NIOCore
import Testing

@Suite(.timeLimit(.minutes(1))) struct ProxyTests {
    @Test func `a response says which instance answered, and the request what it needs to know`() async throws {
        try await withGateway { _, _ in
            [ok("hello")]
        } _: { fixture in
            let response = try await fixture.ask(get("/a?b"))
            #expect(response.hasPrefix("HTTP/1.1 200 OK\r\n") && response.hasSuffix("\r\n\r\nhello"))
            for name in ["X-Instance-Id: upstream-0", "X-Instance-Ip: 127.0.0.1", "X-Latency-Ms: ", "X-Start-Type: "] {
                #expect(response.contains("\r\n\(name)"))
            }
            #expect(response.contains("Server-Timing: queue;dur="))
            let request = fixture.app.seen.requests.first ?? ""
            #expect(request.hasPrefix("GET /a?b HTTP/1.1\r\nHost: app\r\n"))
            #expect(request.contains("X-Forwarded-For: 127.0.0.1\r\n"))
        }
    }

    @Test func `connections are kept on both sides`() async throws {
        try await withGateway { _, _ in
            [ok("x")]
        } _: { fixture in
            let client = try await fixture.client()
            for _ in 0..<5 {
                try await client.send(get("/"))
                #expect(try await client.response().hasSuffix("x"))
            }
            // One connection was the driver's look whether the app answers.
            #expect(fixture.app.seen.connections == 2)
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `pipelined requests are answered in order`() async throws {
        try await withGateway { request, _ in
            [.wait(.milliseconds(request.contains("/0") ? 50 : 0)), ok(String(request.prefix(6)))]
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send((0..<8).map { get("/\($0)") }.joined())
            for number in 0..<8 { #expect(try await client.response().hasSuffix("GET /\(number)")) }
        }
    }

    @Test func `bodies go through with a length and in chunks`() async throws {
        try await withGateway { request, _ in
            [ok("\(request.suffix(14))")]
        } _: { fixture in
            let head = "POST / HTTP/1.1\r\nHost: app\r\n"
            #expect(try await fixture.ask("\(head)Content-Length: 8\r\n\r\n12345678").hasSuffix("12345678"))
            let chunks = "\(head)Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n"
            let client = try await fixture.client()
            for byte in chunks { try await client.send(String(byte)) }
            _ = try await client.response()
            let request = fixture.app.seen.requests.last ?? ""
            let body = request[(request.firstRange(of: "\r\n\r\n")?.upperBound ?? request.endIndex)...]
            let lines = body.split(separator: "\r\n")
            #expect(lines.suffix(2) == ["0", "A: b"])
            #expect(stride(from: 1, to: lines.count - 2, by: 2).map { lines[$0] }.joined() == "abcde")
        }
    }

    @Test(arguments: [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "Content-Length: 5"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", "204 No Content"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "Content-Length: 5"),
    ])
    func `responses without a body end with their head`(_ method: String, _ head: String, _ expected: String)
        async throws
    {
        try await withGateway { request, _ in
            request.contains("/second") ? [ok("second")] : [.send(head)]
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send("\(method) / HTTP/1.1\r\nHost: app\r\n\r\n")
            #expect(try await client.read(until: "\r\n\r\n").contains(expected))
            try await client.send(get("/second"))
            #expect(try await client.response().hasSuffix("second"))
        }
    }

    @Test func `a body that ends with the connection goes on in chunks, and to HTTP 1.0 as it came`() async throws {
        try await withGateway { _, _ in
            [.send("HTTP/1.0 200 OK\r\n\r\nabc"), .close]
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send(get("/"))
            #expect(try await client.read(until: "abc\r\n0\r\n\r\n").hasSuffix("\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
            let old = try await fixture.client()
            try await old.send("GET / HTTP/1.0\r\n\r\n")
            let response = try await old.readAll()
            #expect(response.contains("Connection: close") && response.hasSuffix("\r\n\r\nabc"))
        }
    }

    @Test func `chunks and trailers from the app reach the client`() async throws {
        try await withGateway { _, _ in
            [.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n"), .send("0\r\nA: b\r\n\r\n")]
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send(get("/"))
            #expect(try await client.read(until: "A: b\r\n\r\n").hasSuffix("3\r\nabc\r\n0\r\nA: b\r\n\r\n"))
        }
    }

    @Test func `interim responses come before the final one, and are not endless`() async throws {
        let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        try await withGateway { request, _ in
            request.contains("/many") ? [.send(String(repeating: hint, count: 20))] : [.send(hint), ok("x")]
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send(get("/"))
            #expect(try await client.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n"))
            #expect(try await client.response().hasSuffix("x"))
            let many = try await fixture.client()
            try await many.send(get("/many"))
            #expect(try await many.read(until: "too-many-informational").contains("502 Bad Gateway"))
        }
    }

    @Test func `a client that waits for 100 gets it from the app, or from the gateway`() async throws {
        try await withGateway { request, _ in
            request.contains("/app")
                ? [.send("HTTP/1.1 100 Continue\r\n\r\n"), .wait(.milliseconds(50)), ok("app")]
                : [.wait(.milliseconds(500)), ok("gateway")]
        } configure: { gateway, _ in
            gateway.timeouts.expectation = .milliseconds(100)
        } _: { fixture in
            for path in ["/app", "/gateway"] {
                let client = try await fixture.client()
                try await client.send(
                    "POST \(path) HTTP/1.1\r\nHost: app\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
                let interim = try await client.read(until: "\r\n\r\n")
                #expect(interim == "HTTP/1.1 100 Continue\r\n\r\n")
                try await client.send("abc")
                #expect(try await client.response().hasSuffix(String(path.dropFirst())))
            }
        }
    }

    @Test func `requests of two clients never mix`() async throws {
        try await withGateway { request, _ in
            let path = String(request.split(separator: " ")[1])
            return request.utf8.count % 3 == 0
                ? [ok(path)]
                : [
                    .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                    .send("\(String(path.utf8.count, radix: 16))\r\n\(path)\r\n0\r\n\r\n"),
                ]
        } configure: { _, pool in
            (pool.max, pool.concurrency) = (2, 2)
        } _: { fixture in
            try await withThrowingTaskGroup { tasks in
                for name in ["a", "b", "c", "d"] {
                    tasks.addTask {
                        let client = try await fixture.client()
                        for number in 0..<400 {
                            let path = "/\(name)\(number)\(String(repeating: name, count: number % 7))"
                            try await client.send(get(path))
                            let head = try await client.read(until: "\r\n\r\n")
                            let isChunked = head.contains("chunked")
                            let expected =
                                isChunked ? "\(String(path.utf8.count, radix: 16))\r\n\(path)\r\n0\r\n\r\n" : path
                            let body = try await client.read(until: expected)
                            #expect(body == expected)
                        }
                    }
                }
                try await tasks.waitForAll()
            }
            #expect(try await fixture.isAtRest())
        }
    }

    /// CGI-style apps cannot tell `_` from `-` in what they are asked; clients can.
    @Test func `names with an underscore pass to clients, and not to the app`() async throws {
        let head = "HTTP/1.1 200 OK\r\nX_A: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
        try await withGateway { _, _ in
            [.send(head + "1\r\nx\r\n0\r\nX_Sum: 1\r\nX-Sum: 1\r\n\r\n")]
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send(
                "POST / HTTP/1.1\r\nHost: app\r\nX_Up: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + "1\r\nx\r\n0\r\nX_Late: 1\r\nX-Late: 1\r\n\r\n")
            let response = try await client.read(until: "X-Sum: 1\r\n\r\n")
            #expect(response.contains("\r\nX_A: 1\r\n") && response.contains("\r\n0\r\nX_Sum: 1\r\n"), "\(response)")
            let request = fixture.app.seen.requests.joined()
            #expect(request.contains("\r\n0\r\nX-Late: 1\r\n") && !request.contains("_"), "\(request)")
        }
    }
}
