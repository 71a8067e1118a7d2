import Gateway
import MachinePool
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@Suite(.timeLimit(.minutes(1))) struct FaultTests {
    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz",
    ])
    func `a response that breaks off is never completed`(_ start: String) async throws {
        for end in [ScriptedApp.Step.close, .reset] {
            try await withGateway { _, _ in
                [.send(start), .wait(.milliseconds(30)), end]
            } _: { fixture in
                let client = try await fixture.client()
                try await client.send(get("/"))
                let response = try await client.readAll()
                #expect(response.hasPrefix("HTTP/1.1 200 OK\r\n") && !response.hasSuffix("0\r\n\r\n"))
                #expect(try await fixture.isAtRest())
            }
        }
    }

    @Test func `a body that should end with the connection and is reset ends in a reset`() async throws {
        try await withGateway { _, _ in
            [.send("HTTP/1.1 200 OK\r\n\r\nabc"), .wait(.milliseconds(50)), .reset]
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send("GET / HTTP/1.0\r\n\r\n")
            _ = try await client.readAll()
            #expect(client.wasReset == true)
            let modern = try await fixture.client()
            try await modern.send(get("/"))
            let broken = try await modern.readAll()
            #expect(!broken.hasSuffix("0\r\n\r\n"))
        }
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "malformed-response"),
        ("HTTP/1.1 200 OK\nX: y\n\n", "malformed-response"),
        ("SSH-2.0-OpenSSH\r\n", "malformed-response"),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "malformed-response"),
        ("HTTP/1.1 200 OK\r\nSet-Cookie: a\u{0}\r\n\r\n", "malformed-response"),
    ])
    func `nonsense from the app is a 502 that shows none of it`(_ bytes: String, _ label: String) async throws {
        try await withGateway { _, _ in
            [.send(bytes)]
        } _: { fixture in
            let response = try await fixture.ask(get("/"))
            #expect(response.hasPrefix("HTTP/1.1 502 Bad Gateway\r\n") && response.contains("X-Fcctl-Error: \(label)"))
            #expect(response.contains("application/problem+json") && response.contains("\"request_id\":"))
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `a request that cannot be repeated is a 502 when the app closes on it`() async throws {
        try await withGateway { _, _ in
            [.close]
        } _: { fixture in
            let response = try await fixture.ask("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 0\r\n\r\n")
            #expect(response.hasPrefix("HTTP/1.1 502 ") && response.contains("instance-broke-connection"))
            #expect(fixture.app.seen.requests.count == 1)
        }
    }

    @Test(arguments: [
        (closes: 1, status: "200 OK", tries: 2), (closes: 3, status: "200 OK", tries: 4),
        (closes: 9, status: "502 Bad Gateway", tries: 4),
    ])
    func `a request that can be repeated is, three times at most`(
        _ closes: Int, _ status: String, _ tries: Int
    ) async throws {
        try await withGateway { _, connection in
            // The first connection is the driver's look whether the app answers.
            connection <= closes + 1 ? [.reset] : [ok("again")]
        } _: { fixture in
            let response = try await fixture.ask(get("/"))
            #expect(response.hasPrefix("HTTP/1.1 \(status)\r\n"))
            #expect(fixture.app.seen.requests.count == tries)
        }
    }

    @Test func `a kept connection that the app has closed meanwhile costs nothing`() async throws {
        try await withGateway { _, _ in
            [ok("x"), .wait(.milliseconds(20)), .close]
        } _: { fixture in
            let client = try await fixture.client()
            for _ in 0..<20 {
                try await client.send(get("/"))
                #expect(try await client.response().hasSuffix("x"))
                try await Task.sleep(for: .milliseconds(18))
            }
        }
    }

    @Test func `bytes after a response end the connection to the app`() async throws {
        let extra = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
        try await withGateway { _, _ in
            [.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood\(extra)")]
        } _: { fixture in
            let client = try await fixture.client()
            for _ in 0..<3 {
                try await client.send(get("/"))
                #expect(try await client.response().hasSuffix("good"))
            }
            #expect(fixture.app.seen.connections == 4)
        }
    }

    @Test func `a client that leaves returns its lease, whatever it waited for`() async throws {
        try await withGateway { request, _ in
            request.contains("/stream")
                ? [.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"), .wait(.seconds(60))]
                : [.wait(.seconds(60))]
        } configure: { _, pool in
            (pool.max, pool.concurrency) = (1, 1)
        } _: { fixture in
            for path in ["/stream", "/silent"] {
                for resets in [true, false] {
                    let first = try await fixture.client()
                    try await first.send(get(path))
                    #expect(try await fixture.eventually { fixture.pool.status().requests.active == 1 })
                    let queued = try await fixture.client()
                    try await queued.send(get("/queued"))
                    #expect(try await fixture.eventually { fixture.pool.status().requests.queued == 1 })
                    try await queued.reset()
                    #expect(try await fixture.eventually { fixture.pool.status().requests.queued == 0 })
                    if path == "/stream" { _ = try await first.read(until: "x\r\n") }
                    // After a plain close, only a byte sent to it shows that a client is gone.
                    if resets || path == "/stream" { try await first.reset() } else { try await first.close() }
                    #expect(try await fixture.isAtRest())
                }
            }
            let app = fixture.app
            #expect(try await fixture.eventually { app.seen.closed == app.seen.connections })
        }
    }

    @Test func `clients that leave while their machine is being connected to leave it no crowd of connections`()
        async throws
    {
        let begun = NIOLockedValueBox(0)
        let gate = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: Void.self)
        defer { gate.succeed(()) }
        try await withGateway { _, _ in
            [ok("x")]
        } configure: { _, pool in
            (pool.max, pool.concurrency) = (1, 1)
        } connector: {
            HeldConnector(inner: $0, gate: gate.futureResult, begun: begun)
        } _: { fixture in
            for _ in 0..<40 {
                let client = try await fixture.client()
                try await client.send(get("/"))
                #expect(try await fixture.eventually { fixture.pool.status().requests.active == 1 })
                try await client.reset()
                #expect(try await fixture.isAtRest())
            }
            gate.succeed(())
            #expect(try await fixture.ask(get("/")).hasSuffix("x"))
            // One for each event loop.
            #expect((1...2).contains(begun.withLockedValue { $0 }))
        }
    }

    @Test func `a client that only closed its side still gets the whole response`() async throws {
        try await withGateway { _, _ in
            [.wait(.milliseconds(20)), ok("all of it")]
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send(get("/"))
            try await client.halfClose()
            let response = try await client.readAll()
            // The gateway may have asked meanwhile, with a 100, whether anybody still listens.
            #expect(response.contains("HTTP/1.1 200 OK\r\n") && response.hasSuffix("all of it"))
        }
    }

    @Test func `requests sent ahead of a half-close are all answered`() async throws {
        try await withGateway { request, _ in
            [.wait(.milliseconds(5)), ok(String(request.prefix(6)))]
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send(get("/1") + get("/2") + get("/3") + "GET /4 HTT")
            try await client.halfClose()
            let responses = try await client.readAll()
            #expect(responses.hasSuffix("GET /3") && responses.contains("GET /1") && responses.contains("GET /2"))
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `a request body that breaks off never reaches the app as a whole`() async throws {
        try await withGateway { _, _ in
            [ok("x")]
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 10\r\n\r\nabc")
            try await client.halfClose()
            let response = try await client.readAll()
            #expect(response == "")
            #expect(fixture.app.seen.requests.isEmpty)
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `a full queue is a 503 that says when to come again`() async throws {
        try await withGateway { _, _ in
            [.wait(.seconds(60))]
        } configure: { _, pool in
            (pool.max, pool.concurrency, pool.queueSize) = (1, 1, 1)
        } _: { fixture in
            let holder = try await fixture.client()
            try await holder.send(get("/"))
            #expect(try await fixture.eventually { fixture.pool.status().requests.active == 1 })
            let waiter = try await fixture.client()
            try await waiter.send(get("/"))
            #expect(try await fixture.eventually { fixture.pool.status().requests.queued == 1 })
            let response = try await fixture.ask(get("/", "Accept: text/html\r\n"))
            #expect(response.hasPrefix("HTTP/1.1 503 ") && response.contains("\r\nRetry-After: "))
            #expect(response.contains("text/html"))
            try await holder.reset()
            try await waiter.reset()
        }
    }

    @Test func `connections to a machine are closed before it is paused, and what it held is answered`() async throws {
        try await withGateway { request, _ in
            request.contains("/slow") ? [.wait(.seconds(60))] : [ok("x")]
        } _: { fixture in
            #expect(try await fixture.ask(get("/")).hasSuffix("x"))
            let slow = try await fixture.client()
            try await slow.send("POST /slow HTTP/1.1\r\nHost: app\r\nContent-Length: 0\r\n\r\n")
            #expect(try await fixture.eventually { fixture.pool.status().requests.active == 1 })
            let app = fixture.app
            #expect(try await fixture.eventually { app.seen.requests.count == 2 })
            let machine = try #require(fixture.pool.status().machines.first)
            await fixture.gateway.closeUpstreams(
                of: MachineRef(slot: machine.slot, generation: machine.generation))
            #expect(try await slow.response().hasPrefix("HTTP/1.1 502 "))
            #expect(try await fixture.eventually { app.seen.closed == app.seen.connections })
        }
    }
}

/// Gives no connection before the gate is open.
private struct HeldConnector: UpstreamConnector {
    let inner: any UpstreamConnector
    let gate: EventLoopFuture<Void>
    let begun: NIOLockedValueBox<Int>

    func connect(to machine: MachineRef, timeout: Duration) async throws(UpstreamError) -> Int32 {
        begun.withLockedValue { $0 += 1 }
        // Never fails.
        try? await gate.get()
        return try await inner.connect(to: machine, timeout: timeout)
    }

    func describe(_ machine: MachineRef) -> UpstreamDescription { inner.describe(machine) }
}
