import FoundationEssentials
import Gateway
import MachinePool
import NIOCore
import Testing

@Suite(.timeLimit(.minutes(1))) struct AccessLogTests {
    /// One line of the JSON log.
    struct Line: Decodable {
        var time: String
        var client: String?
        var method: String?
        var host: String?
        var path: String?
        var `protocol`: String?
        var status: Int
        var bytes_in: Int
        var bytes_out: Int
        var duration_ms: Double
        var queue_ms, start_ms, connect_ms, app_ms: Double?
        var start_type: String?
        var instance: String?
        var request_id: String?
        var trace_id: String?
        var user_agent: String?
        var referer: String?
        var error: String?
        var retries: Int?
    }

    /// The lines of what `body` does, once there are `count`.
    private func lines(
        _ count: Int, query: Bool = false, _ script: @escaping ScriptedApp.Script,
        configure: (inout GatewayConfiguration) -> Void = { _ in }, _ body: (Fixture) async throws -> Void
    ) async throws -> [Line] {
        let file = try LogFile()
        var log = file.configuration()
        log.showsQuery = query
        try await withGateway(script, log: log) { gateway, pool in
            gateway.timeouts.upstreamIdle = .milliseconds(200)  // makes the sweep, and with it the log, quick
            pool.concurrency = 2
            configure(&gateway)
        } _: { fixture in
            try await body(fixture)
            #expect(try await fixture.eventually { (fixture.log?.counts.written ?? 0) >= count })
        }
        return try file.lines().map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
    }

    @Test func `a request is a line that says who asked for what, and how it went`() async throws {
        let lines = try await lines(1) { _, _ in
            [.wait(.milliseconds(20)), ok("hello")]
        } _: { fixture in
            let response = try await fixture.ask(
                "POST /a/b?key=secret HTTP/1.1\r\nHost: app\r\nUser-Agent: test/1\r\nReferer: http://x/y?t=1\r\n"
                    + "Content-Length: 3\r\n\r\nabc")
            #expect(response.hasSuffix("hello"))
        }
        let line = try #require(lines.first)
        #expect(lines.count == 1)
        #expect(line.time.count == 24 && line.time.hasSuffix("Z"))
        #expect(line.client == "127.0.0.1" && line.method == "POST" && line.host == "app" && line.path == "/a/b")
        #expect(line.protocol == "HTTP/1.1" && line.status == 200 && line.error == nil && line.retries == nil)
        #expect(line.bytes_in > 60 && line.bytes_out > 100)
        #expect(line.user_agent == "test/1" && line.referer == "http://x/y")
        #expect(line.instance?.hasPrefix("upstream-0") == true && line.start_type != nil)
        let app = try #require(line.app_ms)
        #expect(app >= 20 && line.duration_ms >= app)
        #expect(line.request_id?.count == 32 && line.trace_id == line.request_id)
    }

    @Test func `what a client sends cannot break a line`() async throws {
        let lines = try await lines(1, query: true) { _, _ in
            [ok("x")]
        } _: { fixture in
            _ = try await fixture.ask(get("/a?b=\"c", "User-Agent: \"\\\t{\u{e9}\r\n"))
        }
        #expect(lines.first?.path == nil || lines.first?.path == "/a?b=\"c")
        #expect(lines.count == 1)
    }

    @Test func `refusals, aborts and retries say so`() async throws {
        let lines = try await lines(5) { request, connection in
            if request.contains("/retry") { return connection == 2 ? [.reset] : [ok("again")] }
            if request.contains("/cut") {
                return [.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), .wait(.milliseconds(20)), .reset]
            }
            return [.wait(.seconds(60))]
        } configure: { gateway in
            gateway.timeouts.firstByte = .seconds(1)
        } _: { fixture in
            #expect(try await fixture.ask(get("/retry")).hasSuffix("again"))
            let cut = try await fixture.client()
            try await cut.send(get("/cut"))
            _ = try await cut.readAll()
            #expect(try await fixture.ask("GET / HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 400 "))
            let gone = try await fixture.client()
            try await gone.send(get("/gone"))
            #expect(try await fixture.eventually { fixture.pool.status().requests.active == 1 })
            try await gone.reset()
            #expect(try await fixture.isAtRest())
            #expect(try await fixture.ask(get("/late")).hasPrefix("HTTP/1.1 504 "))
        }
        let found = Dictionary(lines.map { ($0.path ?? "", $0) }) { first, _ in first }
        #expect(found["/retry"]?.status == 200 && found["/retry"]?.retries == 1)
        #expect(found["/cut"]?.status == 200 && found["/cut"]?.error == "instance-broke-connection")
        #expect(found[""]?.status == 400 && found[""]?.error == "missing-host" && found[""]?.instance == nil)
        #expect(found["/gone"]?.status == 499 && found["/gone"]?.error == "client-closed")
        #expect(found["/late"]?.status == 504 && found["/late"]?.error == "response-timeout")
    }

    @Test func `behind trusted proxies the client is the one they speak for`() async throws {
        let lines = try await lines(2) { _, _ in
            [ok("x")]
        } configure: { gateway in
            gateway.trustedProxies = ["127.0.0.0/8", "10.0.0.0/8"].compactMap { AddressBlock($0) }
        } _: { fixture in
            _ = try await fixture.ask(
                get("/", "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.1.2.3\r\nX-Request-Id: kept\r\n"))
            _ = try await fixture.ask(get("/none"))
        }
        #expect(lines.map(\.client) == ["203.0.113.9", "127.0.0.1"])
        #expect(lines.first?.request_id == "kept")
    }

    @Test func `the common format is the one nginx calls combined`() async throws {
        let file = try LogFile()
        try await withGateway({ _, _ in [ok("hello")] }, log: file.configuration(.common)) { fixture in
            _ = try await fixture.ask(get("/a?b", "User-Agent: a \"quoted\" one\r\n"))
        }
        let line = try #require(file.lines().first)
        #expect(line.hasPrefix("127.0.0.1 - - [") && line.contains(" +0000] \"GET /a HTTP/1.1\" 200 5 \"-\" "))
        #expect(line.hasSuffix("\"a \\x22quoted\\x22 one\""))
    }

    @Test func `a file that was moved away is opened anew`() async throws {
        let file = try LogFile()
        try await withGateway({ _, _ in [ok("x")] }, log: file.configuration()) { gateway, _ in
            gateway.timeouts.upstreamIdle = .milliseconds(200)
        } _: { fixture in
            let log = try #require(fixture.log)
            _ = try await fixture.ask(get("/old"))
            #expect(try await fixture.eventually { log.counts.written == 1 })
            file.rotate()
            log.reopen()
            _ = try await fixture.ask(get("/new"))
            #expect(try await fixture.eventually { log.counts.written == 2 })
        }
        #expect(file.lines(".1").count == 1 && file.lines(".1").first?.contains("/old") == true)
        #expect(file.lines().count == 1 && file.lines().first?.contains("/new") == true)
    }

    @Test func `a log that nobody reads costs lines, never requests`() async throws {
        let file = try LogFile(pipe: true)
        var log = file.configuration()
        log.backlog = 64 * 1024
        let began = ContinuousClock.now
        try await withGateway({ _, _ in [ok("x")] }, log: log) { gateway, _ in
            gateway.timeouts.upstreamIdle = .milliseconds(200)
        } _: { fixture in
            let client = try await fixture.client()
            let agent = "User-Agent: \(String(repeating: "x", count: 2000))\r\n"
            for _ in 0..<400 {
                try await client.send(get("/", agent))
                #expect(try await client.response().hasSuffix("x"))
            }
            #expect(try await fixture.eventually { (fixture.log?.counts.dropped ?? 0) > 100 })
            let status = try await fixture.ask("GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(status.contains("\"access_log\":{\"dropped\":") && status.contains("\"connections\":2"))
        }
        // The end waits for the log a second, not for ever.
        #expect(ContinuousClock.now - began < .seconds(30))
    }

    @Test func `after lines were dropped the log says how many`() async throws {
        let file = try LogFile()
        var log = file.configuration()
        log.backlog = 100
        try await withGateway({ _, _ in [ok("x")] }, log: log) { gateway, _ in
            gateway.timeouts.upstreamIdle = .milliseconds(200)
        } _: { fixture in
            for _ in 0..<3 { _ = try await fixture.ask(get("/")) }
            #expect(try await fixture.eventually { (fixture.log?.counts.dropped ?? 0) == 3 })
            fixture.log?.reopen()
            let last = file
            #expect(try await fixture.eventually { !last.lines().isEmpty })
        }
        #expect(file.lines().first?.contains("\"dropped\":") == true)
    }

    @Test func `a place that cannot be written is refused before anything is served`() {
        var log = AccessLogConfiguration()
        log.destination = .file("/nowhere/access.log")
        #expect(throws: GatewayError.self) { _ = try AccessLogWriter(log) }
    }
}
