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
            gateway.timeouts.header = .milliseconds(100)
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

    @Test func `a body in pieces of a byte does not fill memory`() async throws {
        try await withDeafApp { app in
            try await withGateway(
                { _, _ in [] }, upstreams: [app],
                configure: { gateway, pool in
                    pool.concurrency = 4
                    gateway.timeouts.firstByte = .seconds(1)
                    gateway.timeouts.bodyIdle = .milliseconds(200)
                }
            ) { fixture in
                let head = "POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n"
                let sockets = try (0..<4).map { _ in try SilentClient(port: fixture.port, request: head) }
                let before = residentBytes()
                let chunks = Array(String(repeating: "1\r\nx\r\n", count: 10_000).utf8)
                var (sent, growth, stalls) = ([0, 0, 0, 0], 0, 0)
                // Until the machine's kernel and ours take nothing more.
                while stalls < 50 {
                    let now = zip(sockets, sent).map { $0.offer(chunks, from: $1) }
                    stalls = now == sent ? stalls + 1 : 0
                    sent = now
                    growth = max(growth, residentBytes() - before)
                    try await Task.sleep(for: .milliseconds(10))
                }
                #expect(growth < 256 << 20, "after \(sent) bytes")
                for socket in sockets { socket.close() }
                // What the kernels still move on their own counts as progress for a while.
                var isAtRest = false
                for _ in 0..<4 where !isAtRest { isAtRest = try await fixture.isAtRest() }
                #expect(isAtRest, "\(fixture.pool.status())")
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

    @Test func `large bodies pass both ways in flat memory`() async throws {
        let size = 96 << 20
        try await withGateway { request, _ in
            request.hasPrefix("GET")
                ? [.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n"), .bytes(size)] : [ok("took it")]
        } _: { fixture in
            let before = residentBytes()
            let client = try await fixture.client()
            try await client.send(get("/"))
            let head = try await client.read(until: "\r\n\r\n")
            #expect(head.contains("Content-Length: \(size)"))
            #expect(try await client.drain(size) == size)
            // The test's own client keeps what it has not read yet, and so does the allocator.
            #expect(residentBytes() - before < 64 << 20)
        }
    }

    @Test func `a client that asks for ever and reads nothing does not fill memory`() async throws {
        try await withGateway { _, _ in
            [ok("x")]
        } configure: { gateway, _ in
            gateway.timeouts.bodyIdle = .seconds(1)
        } _: { fixture in
            let before = residentBytes()
            let request = "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"
            let socket = try SilentClient(port: fixture.port, request: request)
            let piece = Array(String(repeating: request, count: 1000).utf8)
            var sent = 0
            for _ in 0..<2000 where !socket.isReset {
                sent = socket.offer(piece, from: sent)
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(socket.isReset, "after \(sent) bytes")
            #expect(residentBytes() - before < 256 << 20)
            socket.close()
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `a client that reads nothing does not fill memory`() async throws {
        let size = 512 << 20
        try await withGateway { _, _ in
            [.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n"), .bytes(size)]
        } _: { fixture in
            let before = residentBytes()
            let socket = try SilentClient(port: fixture.port, request: get("/"))
            #expect(try await fixture.eventually { fixture.pool.status().requests.active == 1 })
            try await Task.sleep(for: .milliseconds(500))
            #expect(residentBytes() - before < 64 << 20)
            #expect(fixture.pool.status().requests.active == 1)
            socket.close()
            #expect(try await fixture.isAtRest())
        }
    }
}

/// Bytes of this process in memory.
private func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, 128, file) != nil else { return 0 }
    let words = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).split(
        separator: " ")
    return (words.count > 1 ? Int(words[1]) ?? 0 : 0) * Int(getpagesize())
}

/// An app whose kernel takes connections, and which never looks at them.
private func withDeafApp(_ body: (_ address: String) async throws -> Void) async throws {
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .serverChannelOption(.autoRead, value: false)
        .serverChannelOption(.socketOption(.so_rcvbuf), value: 4096)
        .bind(host: "127.0.0.1", port: 0).get()
    do { try await body("127.0.0.1:\(listener.localAddress?.port ?? 0)") } catch {
        try await listener.close()
        throw error
    }
    try await listener.close()
}

/// Sends a request and never reads.
private struct SilentClient {
    private static let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
    private let descriptor: Int32

    init(port: Int, request: String) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        var room: Int32 = 4096
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, socklen_t(MemoryLayout<Int32>.size))
        let connected = address.withSockAddr { [descriptor] in connect(descriptor, $0, socklen_t($1)) }
        guard connected == 0, write(descriptor, request, request.utf8.count) > 0 else {
            throw UpstreamError.unreachable("the gateway under test")
        }
    }

    /// Sends `bytes` again and again as long as somebody takes them. `sent` and the result count from the beginning.
    func offer(_ bytes: [UInt8], from sent: Int) -> Int {
        var sent = sent
        while true {
            let rest = bytes[(sent % bytes.count)...]
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Self.flags) }
            if count <= 0 { return sent }
            sent += count
        }
    }

    var isReset: Bool {
        var state = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&state, 1, 0) > 0 && state.revents & Int16(POLLHUP) != 0
    }

    func close() { Glibc.close(descriptor) }
}
