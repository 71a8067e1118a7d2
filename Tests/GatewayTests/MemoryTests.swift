import Gateway
import Glibc
import MachinePool
import NIOCore
import NIOPosix
import Testing

/// They look at the memory of the whole process: run them alone.
@Suite(.serialized, .timeLimit(.minutes(2))) struct MemoryTests {
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

    @Test func `a body in pieces of a byte does not fill memory`() async throws {
        try await withDeafApp { app in
            try await withGateway(
                { _, _ in [] }, upstreams: [app],
                configure: { gateway, pool in
                    pool.concurrency = 2
                    gateway.timeouts.firstByte = .seconds(1)
                    gateway.timeouts.bodyIdle = .milliseconds(200)
                }
            ) { fixture in
                let head = "POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n"
                let sockets = try (0..<2).map { _ in try SilentClient(port: fixture.port, request: head) }
                let before = residentBytes()
                let chunks = Array(String(repeating: "1\r\nx\r\n", count: 10_000).utf8)
                var (sent, growth, stalls) = ([0, 0], 0, 0)
                // Until the machine's kernel and ours take nothing more.
                while stalls < 50 {
                    let now = zip(sockets, sent).map { $0.offer(chunks, from: $1) }
                    stalls = now == sent ? stalls + 1 : 0
                    sent = now
                    growth = max(growth, residentBytes() - before)
                    try await Task.sleep(for: .milliseconds(10))
                }
                #expect(growth < 128 << 20, "after \(sent) bytes")
                for socket in sockets { socket.close() }
                // What the kernels still move on their own counts as progress for a while.
                var isAtRest = false
                for _ in 0..<18 where !isAtRest { isAtRest = try await fixture.isAtRest() }
                #expect(isAtRest, "\(fixture.pool.status())")
            }
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
            for _ in 0..<4000 where !socket.isReset {
                sent = socket.offer(piece, from: sent)
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(socket.isReset, "after \(sent) bytes")
            #expect(residentBytes() - before < 256 << 20)
            socket.close()
            #expect(try await fixture.isAtRest())
        }
    }

    /// NIO reads a connection to its end as soon as that is there, whoever holds it back.
    @Test func `a machine that ends its connection does not fill memory with what its client has not taken`()
        async throws
    {
        let (taken, left) = (96 << 20, 16 << 20)
        try await withGateway { _, _ in
            [.send("HTTP/1.1 200 OK\r\nContent-Length: \(taken + left)\r\n\r\n"), .bytes(taken + left), .close]
        } _: { fixture in
            let client = try PacedClient(port: fixture.port, sending: get("/"))
            // Taken fast, it makes the kernel offer the machine all the room it has.
            while client.received < taken, client.read(1 << 20) == nil {}
            let before = residentBytes()
            var growth = 0
            for _ in 0..<100 where growth < 4 << 20 {
                growth = max(growth, residentBytes() - before)
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(growth < 4 << 20)
            _ = try await client.keepReading(1 << 20, limit: taken + left)
            #expect(client.received >= taken + left)
        }
    }

    @Test func `a client of HTTP 2 that asks for ever and reads nothing does not fill memory`() async throws {
        let cookie = String(repeating: "~", count: 4000)
        try await withGateway { _, _ in
            [.send("HTTP/1.1 204 No Content\r\nSet-Cookie: \(cookie)\r\n\r\n")]
        } configure: { gateway, pool in
            pool.concurrency = 100
        } _: { fixture in
            let before = residentBytes()
            let socket = try SilentClient(port: fixture.port, request: FrameClient.preface)
            let requests = (0..<40_000).flatMap { RawFrame.headers(h2(), stream: UInt32($0 * 2 + 1)).bytes }
            let all = RawFrame.settings().bytes + requests
            var (sent, stalls) = (0, 0)
            while sent < all.count, stalls < 100 {
                let now = socket.offer(all, from: sent)
                stalls = now == sent ? stalls + 1 : 0
                sent = now
                try await Task.sleep(for: .milliseconds(10))
            }
            // Until nothing more is answered.
            var (answered, still) = (-1, 0)
            while still < 20 {
                let now = fixture.pool.status().requests.total
                still = now == answered ? still + 1 : 0
                answered = now
                try await Task.sleep(for: .milliseconds(50))
            }
            // The answers to all of them would have 160 MB.
            #expect(residentBytes() - before < 64 << 20, "after \(sent) bytes")
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
