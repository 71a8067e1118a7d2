import Gateway
import Glibc
import MachinePool
import NIOCore
import NIOPosix
import Testing

@Suite(.timeLimit(.minutes(1))) struct LifetimeTests {
    @Test func `a head that does not come is a 408, and a connection that says nothing is closed`() async throws {
        try await withGateway { _, _ in
            [ok("x")]
        } configure: { gateway, _ in
            // Long enough for the half of a head to arrive on a busy host.
            gateway.timeouts.header = .seconds(1)
        } _: { fixture in
            let slow = try await fixture.client()
            try await slow.send("GET / HTTP/1.1\r\nHost:")
            let response = try await slow.readAll()
            #expect(response.hasPrefix("HTTP/1.1 408 ") && response.contains("Connection: close"))
            let silent = try await fixture.client()
            let nothing = try await silent.readAll()
            #expect(nothing == "")
        }
    }

    /// Some clients end a body with a line end that is not part of it (RFC 9112 2.2).
    @Test(arguments: ["\r\n", "\r", "\r\n\r\n"])
    func `an empty line is no beginning of a request`(_ blank: String) async throws {
        let post = "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 2\r\n\r\nhi"
        try await withGateway { _, _ in
            [ok("x")]
        } configure: { gateway, _ in
            gateway.timeouts.header = .seconds(1)
            gateway.timeouts.keepAlive = .milliseconds(2500)
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send(post + blank)
            #expect(try await client.response().hasSuffix("x"))
            try await client.send(blank == "\r" ? "\n" + post : post + blank)
            let rest = try await client.readAll()
            #expect(rest.hasPrefix("HTTP/1.1 200 ") && rest.hasSuffix("x"), "\(rest)")
        }
    }

    @Test func `a body that comes too slowly is a 408, and the machine is free again`() async throws {
        try await withGateway { _, _ in
            [ok("x")]
        } configure: { gateway, _ in
            gateway.timeouts.bodyIdle = .milliseconds(100)
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 9\r\n\r\nabc")
            let response = try await client.readAll()
            #expect(response.hasPrefix("HTTP/1.1 408 "))
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `an app that does not answer is a 504`() async throws {
        try await withGateway { _, _ in
            [.wait(.seconds(60))]
        } configure: { gateway, _ in
            gateway.timeouts.firstByte = .milliseconds(100)
        } _: { fixture in
            let response = try await fixture.ask(get("/"))
            #expect(response.hasPrefix("HTTP/1.1 504 ") && response.contains("response-timeout"))
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `an app that neither takes a body nor answers is a 504`() async throws {
        try await withDeafApp { app in
            try await withGateway(
                { _, _ in [] }, upstreams: [app],
                configure: { gateway, _ in
                    gateway.timeouts.firstByte = .milliseconds(200)
                    gateway.timeouts.bodyIdle = .milliseconds(100)
                }
            ) { fixture in
                let head = "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 99999999\r\n\r\n"
                let socket = try SilentClient(port: fixture.port, request: head)
                let piece = [UInt8](repeating: 0x78, count: 1 << 20)
                var sent = 0
                for _ in 0..<500 where fixture.pool.status().requests.failed == 0 {
                    sent = socket.offer(piece, from: sent)
                    try await Task.sleep(for: .milliseconds(10))
                }
                #expect(fixture.pool.status().requests.failed == 1, "after \(sent) bytes")
                socket.close()
                #expect(try await fixture.isAtRest())
            }
        }
    }

    @Test func `a connection without requests is closed in time`() async throws {
        try await withGateway { _, _ in
            [ok("x")]
        } configure: { gateway, _ in
            gateway.timeouts.keepAlive = .milliseconds(100)
            gateway.timeouts.upstreamIdle = .milliseconds(100)
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send(get("/"))
            let all = try await client.readAll()
            #expect(all.hasSuffix("x"))
            let app = fixture.app
            #expect(try await fixture.eventually { app.seen.closed == app.seen.connections })
        }
    }

    @Test func `a drain answers what is in flight, refuses what is new, and ends idle connections`() async throws {
        try await withGateway { _, _ in
            [.wait(.milliseconds(300)), ok("done")]
        } _: { fixture in
            let busy = try await fixture.client()
            let idle = try await fixture.client()
            try await busy.send(get("/"))
            #expect(try await fixture.eventually { fixture.pool.status().requests.active == 1 })
            async let drained: Void = fixture.gateway.drain(deadline: .seconds(10))
            let nothing = try await idle.readAll()
            #expect(nothing == "")
            let response = try await busy.readAll()
            #expect(response.contains("Connection: close\r\n") && response.hasSuffix("done"))
            await drained
            await #expect(throws: (any Error).self) { _ = try await fixture.client() }
        }
    }

    @Test func `a drain under load loses no request that was sent`() async throws {
        try await withGateway { request, _ in
            request.contains("/slow") ? [.wait(.milliseconds(100)), ok("x")] : [ok("x")]
        } configure: { _, pool in
            pool.concurrency = 100
        } _: { fixture in
            let outcomes = try await withThrowingTaskGroup(of: (answered: Int, lost: Int).self) { tasks in
                for number in 0..<16 {
                    let client = try await fixture.client()
                    tasks.addTask {
                        var answered = 0
                        while true {
                            // Sending fails on a connection that was closed without a word.
                            guard (try? await client.send(get(number % 4 == 0 ? "/slow" : "/"))) != nil else {
                                return (answered, 1)
                            }
                            let response = try await client.response()
                            guard response.hasPrefix("HTTP/1.1 200 ") && response.hasSuffix("x") else {
                                return (answered, 1)
                            }
                            answered += 1
                            if response.contains("Connection: close\r\n") { return (answered, 0) }
                        }
                    }
                }
                try await Task.sleep(for: .milliseconds(300))
                await fixture.gateway.drain(deadline: .seconds(10))
                return try await tasks.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.map(\.lost) == Array(repeating: 0, count: 16))
            #expect(outcomes.map(\.answered).reduce(0, +) > 16)
        }
    }

    @Test func `a drain does not wait beyond its deadline`() async throws {
        try await withGateway { _, _ in
            [.wait(.seconds(60))]
        } _: { fixture in
            let busy = try await fixture.client()
            try await busy.send(get("/"))
            #expect(try await fixture.eventually { fixture.pool.status().requests.active == 1 })
            let began = ContinuousClock.now
            await fixture.gateway.drain(deadline: .milliseconds(100))
            #expect(ContinuousClock.now - began < .seconds(5))
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `a port in use is named`() async throws {
        try await withGateway { _, _ in
            [ok("x")]
        } _: { fixture in
            var configuration = GatewayConfiguration()
            configuration.port = fixture.port
            let driver = try StaticUpstreams(["127.0.0.1:1"])
            let second = Gateway(
                configuration: configuration, pool: fixture.pool, connector: driver, group: fixture.group)
            await #expect(throws: GatewayError.portInUse(host: "127.0.0.1", port: fixture.port)) {
                try await second.start()
            }
        }
    }
}
