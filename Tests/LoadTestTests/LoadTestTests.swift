import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

@testable import LoadTest

@Suite struct LoadTestTests {
    private func test(
        _ server: ScriptedServer, clients: Int = 2, for duration: Duration = .milliseconds(500), rate: Double? = nil,
        timeout: Duration = .seconds(10), limit: Int = 100
    ) throws -> LoadTest {
        LoadTest(
            target: try LoadTarget("http://127.0.0.1:\(server.port)/"), maxConcurrency: clients, duration: duration,
            rate: rate, timeout: timeout, limit: limit, group: MultiThreadedEventLoopGroup.singleton)
    }

    @Test func `each phase has its requests, and every one is counted once`() async throws {
        let active = Set(LoadPhase.allCases).subtracting([.coolDown])
        var met: Set<LoadPhase> = []
        // A host that stands still for the whole of a short phase leaves it empty: then the next run is longer.
        for duration in [Duration.milliseconds(500), .seconds(2), .seconds(8)] where met != active {
            try await ScriptedServer.run({ _, _ in .init(delay: .milliseconds(2)) }) { server in
                let result = try await test(server, for: duration).run()
                met = Set(result.phases.filter { $0.tally.total > 0 }.map(\.phase))
                #expect(result.phases.map(\.phase) == LoadPhase.allCases)
                #expect(result.phases.map(\.clients) == [2, 2, 4, 0, 4])
                #expect(result.total.total == server.requests())
                #expect(result.total.failed == 0)
                #expect((result.total.latency.percentile(0.5) ?? 0) >= 2)
                #expect(!result.isInterrupted)
                #expect(result.coolDown.isEmpty, "what is no gateway has no pool to watch")
            }
        }
        #expect(met == active)
    }

    @Test func `starts are read from the gateway's headers`() async throws {
        let kinds = ["booted", "resumed", "restored", "idle"]
        try await ScriptedServer.run({ _, number in
            .init(
                headers: [
                    "X-Start-Type": kinds[number % 4],
                    "Server-Timing": "queue;dur=1, start;dur=\(number % 4 * 10 + 10), connect;dur=3, app;dur=4",
                ], delay: .milliseconds(1))
        }) { server in
            let total = try await test(server).run().total
            #expect(total.cold.average == 10)
            #expect(total.warm.average == 20)
            #expect(total.snapshot.average == 30)
            #expect(abs(total.cold.count - total.total / 4) <= 1)
            #expect(total.cold.count + total.warm.count + total.snapshot.count < total.total)
        }
    }

    @Test func `refusals are failures by status and the gateway's word, and do not count as latency`() async throws {
        try await ScriptedServer.run({ _, number in
            number % 2 == 0
                ? .init(delay: .milliseconds(5))
                : .init(status: .serviceUnavailable, headers: ["X-Fcctl-Error": "queue-full"])
        }) { server in
            let total = try await test(server).run().total
            #expect(total.failures == ["HTTP 503 queue-full": total.failed])
            #expect(total.failed > 0 && total.succeeded > 0)
            #expect(Int(total.latency.count) == total.succeeded)
            #expect(Int(total.failedLatency.count) == total.failed)
        }
    }

    @Test func `a server cannot make up failures without end`() async throws {
        try await ScriptedServer.run({ _, number in
            .init(status: .badGateway, headers: ["X-Fcctl-Error": number % 2 == 0 ? "word-\(number)" : "<b>\(number)"])
        }) { server in
            let total = try await test(server).run().total
            #expect(total.failures.count <= 33)
            #expect(total.failures.values.reduce(0, +) == total.total)
            #expect(!total.failures.keys.contains { $0.contains("<") })
        }
    }

    @Test func `a kept connection that was closed is no failure`() async throws {
        try await ScriptedServer.run({ _, _ in .init(delay: .milliseconds(1), closes: true) }) { server in
            let total = try await test(server).run().total
            #expect(total.failures == [:])
            #expect(total.succeeded > 0)
        }
    }

    @Test func `a connection that breaks instead of an answer is a failure`() async throws {
        try await ScriptedServer.run({ _, number in .init(delay: .milliseconds(1), breaks: number % 3 == 2) }) {
            server in
            let total = try await test(server).run().total
            #expect(total.succeeded > 0)
            #expect(Set(total.failures.keys).isSubset(of: ["connection broken"]))
        }
    }

    @Test func `a request without an answer fails at the time-out`() async throws {
        try await ScriptedServer.run({ _, _ in .init(hangs: true) }) { server in
            let total = try await test(server, timeout: .milliseconds(50)).run().total
            #expect(total.succeeded == 0)
            // On a busy host the connection alone may take that long.
            #expect(Set(total.failures.keys).isSubset(of: ["timeout", "connect: timeout"]))
        }
    }

    @Test func `an open loop measures from the time a request was due`() async throws {
        // 200 requests a second, one at a time, of 20 ms each: whoever measures from sending sees 20 ms only.
        try await ScriptedServer.run({ _, _ in .init(delay: .milliseconds(20)) }) { server in
            let total = try await test(server, rate: 200, limit: 1).run().total
            #expect(total.failed == 0)
            #expect((total.latency.percentile(0.99) ?? 0) > 200)
            let due = ArrivalSchedule(LoadSchedule(maxConcurrency: 2, duration: .milliseconds(500)), rate: 200)
            #expect(total.total == due.reduce(0) { count, _ in count + 1 }, "no request is left out")
        }
    }

    @Test func `cancelled, it returns what it has`() async throws {
        try await ScriptedServer.run({ _, number in .init(hangs: number >= 10) }) { server in
            let test = try test(server, for: .seconds(600))
            let result = try await withThrowingTaskGroup(of: LoadResult?.self) { group in
                let (hanging, feed) = AsyncStream<Void>.makeStream()
                group.addTask {
                    try await test.run { if $0.tally.total >= 10 { feed.yield() } }
                }
                group.addTask {
                    for await _ in hanging { break }
                    return nil
                }
                _ = try await group.next()
                group.cancelAll()
                return try await group.next() ?? nil
            }
            #expect(result?.isInterrupted == true)
            #expect(result?.total.succeeded == 10)
            #expect(result?.total.failed == 0, "what was broken off is nobody's failure")
        }
    }

    @Test func `the pool is watched while it cools down`() async throws {
        let status = #"{"instances":{"idle":1,"busy":0,"paused":2,"total":3,"booting":0},"requests":{}}"#
        try await ScriptedServer.run({ path, _ in .init(body: path == "/api/status" ? status : "ok") }) { server in
            let result = try await test(server).run()
            #expect(result.coolDown.first == PoolSample(time: 0, idle: 1, busy: 0, paused: 2, total: 3))
            #expect(result.total.total == server.requests("/"))
        }
    }

    @Test func `where nothing listens it says so at once`() async throws {
        let target = try LoadTarget("http://127.0.0.1:1/")
        let test = LoadTest(
            target: target, maxConcurrency: 1, duration: .seconds(600), group: MultiThreadedEventLoopGroup.singleton)
        await #expect(throws: LoadTestError.unreachable(target, "Connection refused")) { try await test.run() }
    }
}
