import Gateway
import Glibc
import MachinePool
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

/// `kill -9` of the app's process in each phase of a request, and of a machine that says nothing when it dies.
@Suite(.timeLimit(.minutes(1)), .serialized) struct DeathTests {
    /// What a client sees of a death.
    enum Outcome: Sendable {
        /// Another process answers.
        case served
        /// 502 with this name.
        case refused(String)
        /// What came ends so, and the connection with it.
        case cut(String)
    }

    struct Death: CustomTestStringConvertible, Sendable {
        let phase: String
        var request: String
        let outcome: Outcome

        init(_ outcome: Outcome, _ phase: String, _ method: String = "GET", _ rest: String = "\r\n") {
            self.phase = phase
            request = "\(method) /\(phase) HTTP/1.1\r\nHost: app\r\n\(rest)"
            self.outcome = outcome
        }

        var testDescription: String { request.split(separator: " HTTP").first.map(String.init) ?? phase }
    }

    static let deaths: [Death] = [
        .init(.served, "request-head"),
        .init(.refused("instance-broke-connection"), "request-head", "POST", "Content-Length: 0\r\n\r\n"),
        .init(.served, "request-body", "PUT", "Content-Length: 9\r\n\r\nabcdef"),
        .init(.refused("instance-broke-connection"), "request-body", "POST", "Content-Length: 9\r\n\r\nabcdef"),
        .init(.served, "answer"),
        .init(.served, "answer", "PUT", "Content-Length: 3\r\n\r\nabc"),
        .init(.refused("instance-broke-connection"), "answer", "POST", "Content-Length: 3\r\n\r\nabc"),
        .init(.served, "answer", "POST", "Idempotency-Key: 1\r\nContent-Length: 3\r\n\r\nabc"),
        .init(.refused("instance-broke-connection"), "half-head"),
        .init(.cut("\r\n\r\n"), "head"),
        .init(.cut("\r\n\r\nabc"), "length"),
        .init(.cut("\r\n\r\n3\r\nabc\r\n"), "chunk"),
        .init(.cut("\r\n\r\n3\r\nabc\r\n"), "last-chunk"),
        .init(.cut("\r\n\r\nhello"), "tunnel", "GET", "Connection: Upgrade\r\nUpgrade: x\r\n\r\n"),
    ]

    @Test(arguments: deaths) func `a death in any phase has one outcome`(_ death: Death) async throws {
        try await quickly { try await die(death) }
    }

    /// How long the outcome took.
    private func die(_ death: Death) async throws -> Duration {
        var span = Duration.zero
        try await withProcesses { fixture, _ in
            let client = try await fixture.client()
            let began = ContinuousClock.now
            try await client.send(death.request)
            switch death.outcome {
            case .served:
                let response = try await client.response()
                #expect(response.hasSuffix("alive"), "\(response)")
            case .refused(let label):
                let response = try await client.response()
                #expect(
                    response.hasPrefix("HTTP/1.1 502 ") && response.contains("X-Fcctl-Error: \(label)\r\n"),
                    "\(response)")
            case .cut(let end):
                let response = try await client.readAll()
                #expect(response.hasSuffix(end) && !response.contains("\r\n0\r\n"))
            }
            span = ContinuousClock.now - began
            // A tunnel lasts until both of its sides have ended.
            try await client.close()
            #expect(try await fixture.isAtRest())
        }
        return span
    }

    /// The promise is 200 ms. A host that gives others the processor for longer gets three tries.
    private func quickly(_ body: () async throws -> Duration) async throws {
        var spans: [Duration] = []
        while spans.count < 3, spans.last.map({ $0 >= .milliseconds(200) }) ?? true { spans.append(try await body()) }
        #expect(spans.contains { $0 < .milliseconds(200) }, "\(spans)")
    }

    @Test func `a death while others wait in the queue costs them nothing`() async throws {
        try await withProcesses { fixture, apps in
            var holders: [RawClient] = []
            for _ in apps {
                let holder = try await fixture.client()
                try await holder.send(get("/wait"))
                holders.append(holder)
            }
            #expect(try await fixture.eventually { fixture.pool.status().requests.active == 2 })
            let queued = try await fixture.client()
            try await queued.send(get("/queued"))
            #expect(try await fixture.eventually { fixture.pool.status().requests.queued == 1 })
            apps[0].kill()
            for holder in holders { try await holder.reset() }
            #expect(try await queued.response().hasSuffix("alive"))
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `a death between two requests costs the next one nothing`() async throws {
        try await withProcesses { fixture, apps in
            let client = try await fixture.client()
            try await client.send(get("/"))
            #expect(try await client.response().hasSuffix("alive"))
            apps[0].kill()
            for _ in 0..<5 {
                // A POST on a connection whose end is still on its way could not be told from one that was lost.
                try await client.send(get("/"))
                #expect(try await client.response().hasSuffix("alive"))
            }
        }
    }

    @Test func `what cannot be repeated is not sent over a connection that the app has ended`() async throws {
        try await withProcesses(1) { fixture, apps in
            let client = try await RawClient.connect(fixture.port, on: .singletonMultiThreadedEventLoopGroup)
            try await client.send(get("/"))
            #expect(try await client.response().hasSuffix("alive"))
            // The request is what the gateway's loops see first, the end of the connection is there as well.
            let held = await HeldLoops(fixture.group)
            try await client.send("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 0\r\n\r\n")
            apps[0].end()
            let marker = try LogFile()
            let next = try MortalApp(marker: marker.path, port: apps[0].port)
            held.release()
            let response = try await client.response()
            #expect(response.hasSuffix("alive"), "\(response)")
            withExtendedLifetime((marker, next)) {}
        }
    }

    @Test func `a request waits for the process that takes the place of the only one`() async throws {
        try await withProcesses(1) { fixture, apps in
            apps[0].end()
            let client = try await fixture.client()
            // Nothing of it was sent, so that its method does not matter.
            try await client.send("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 0\r\n\r\n")
            #expect(try await fixture.eventually { fixture.pool.status().requests.queued == 1 })
            let marker = try LogFile()
            let next = try MortalApp(marker: marker.path, port: apps[0].port)
            #expect(try await client.response().hasSuffix("alive"))
            withExtendedLifetime((marker, next)) {}
        }
    }

    // MARK: A machine that dies says nothing: whoever watches its VMM closes its connections

    enum Silence: String, CaseIterable {
        case connecting, sent, head, length, untilClose, tunnel

        var answer: [ScriptedApp.Step] {
            switch self {
            case .connecting: [ok("alive")]
            case .sent: [.wait(.seconds(60))]
            case .head: [.send("HTTP/1.1 200 OK\r\nContent-"), .wait(.seconds(60))]
            case .length: [.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), .wait(.seconds(60))]
            case .untilClose: [.send("HTTP/1.1 200 OK\r\n\r\nabc"), .wait(.seconds(60))]
            case .tunnel: [.send(TunnelTests.switching), .wait(.seconds(60))]
            }
        }
    }

    @Test(arguments: Silence.allCases)
    func `the end of a silent machine ends what it holds at once`(_ phase: Silence) async throws {
        try await quickly { try await end(phase) }
    }

    @Test(arguments: [(deaths: 3, status: "200 OK"), (deaths: 4, status: "502 Bad Gateway")])
    func `three deaths under the same request cost it nothing, and a fourth one is its own doing`(
        _ deaths: Int, _ status: String
    ) async throws {
        let asked = NIOLockedValueBox(0)
        try await withGateway { _, _ in
            let number = asked.withLockedValue { count in
                count += 1
                return count
            }
            return number > deaths ? [ok("alive")] : [.wait(.seconds(60))]
        } configure: { _, pool in
            (pool.min, pool.max, pool.concurrency) = (5, 5, 1)
        } _: { fixture in
            #expect(try await fixture.eventually { fixture.pool.status().instances.idle == 5 })
            let client = try await fixture.client()
            try await client.send(get("/"))
            for death in 1...deaths {
                #expect(try await fixture.eventually { asked.withLockedValue { $0 } == death })
                let machine = try #require(fixture.pool.status().machines.first { $0.active == 1 })
                let dead = MachineRef(slot: machine.slot, generation: machine.generation)
                fixture.pool.report(.failed(dead, reason: "the instance's VMM ended"))
                await fixture.gateway.closeUpstreams(of: dead)
            }
            #expect(try await client.response().hasPrefix("HTTP/1.1 \(status)\r\n"))
            #expect(try await fixture.isAtRest())
        }
    }

    private func end(_ phase: Silence) async throws -> Duration {
        var span = Duration.zero
        try await withGateway { _, _ in
            phase.answer
        } configure: { _, pool in
            if phase == .connecting { pool.min = 2 }
            pool.max = 2
        } connector: { driver in
            guard phase == .connecting else { return driver }
            return SilentConnector(inner: driver, times: 1)
        } _: { fixture in
            let machines = phase == .connecting ? 2 : 0
            #expect(try await fixture.eventually { fixture.pool.status().instances.idle >= machines })
            let client = try await fixture.client()
            let upgrade = phase == .tunnel ? TunnelTests.upgrade : ""
            try await client.send("POST / HTTP/1.1\r\nHost: app\r\n\(upgrade)Content-Length: 0\r\n\r\n")
            #expect(try await fixture.eventually { fixture.pool.status().requests.active == 1 })
            switch phase {
            case .connecting: break
            case .sent, .head:
                let app = fixture.app
                #expect(try await fixture.eventually { app.seen.requests.count == 1 })
                // What the app sent must have reached the gateway.
                try await Task.sleep(for: .milliseconds(50))
            case .length, .untilClose: _ = try await client.read(until: "abc")
            case .tunnel: _ = try await client.read(until: "\r\n\r\n")
            }
            let machine = try #require(fixture.pool.status().machines.first { $0.active == 1 })
            let began = ContinuousClock.now
            let dead = MachineRef(slot: machine.slot, generation: machine.generation)
            fixture.pool.report(.failed(dead, reason: "the instance's VMM ended"))
            await fixture.gateway.closeUpstreams(of: dead)
            switch phase {
            // Nothing was sent, so that the next machine gets it.
            case .connecting: #expect(try await client.response().hasSuffix("alive"))
            case .sent, .head:
                #expect(try await client.response().contains("X-Fcctl-Error: instance-broke-connection\r\n"))
            case .length, .untilClose, .tunnel:
                let rest = try await client.readAll()
                #expect(rest == (phase == .untilClose ? "\r\n" : ""))
            }
            span = ContinuousClock.now - began
            #expect(try await fixture.isAtRest())
        }
        return span
    }
}

/// Processes behind a gateway, one request at a time for each, all ready.
private func withProcesses(
    _ count: Int = 2, _ body: (Fixture, [MortalApp]) async throws -> Void
) async throws {
    let marker = try LogFile()
    let apps = try (0..<count).map { _ in try MortalApp(marker: marker.path) }
    try await withGateway({ _, _ in [] }, upstreams: apps.map { "127.0.0.1:\($0.port)" }) { gateway, pool in
        (pool.min, pool.max, pool.concurrency) = (count, count, 1)
        gateway.repeatsIdempotencyKeys = true
    } _: { fixture in
        #expect(try await fixture.eventually { fixture.pool.status().instances.idle == count })
        try await body(fixture, apps)
    }
    withExtendedLifetime(marker) {}
}
