import Gateway
import MachinePool
import NIOCore
import NIOPosix
import Testing

@testable import LoadTest

/// Real load on a real gateway, whose machines are a server in this process.
@Suite struct OverloadTests {
    private static let group = MultiThreadedEventLoopGroup.singleton

    /// A gateway of two machines with a short queue; afterwards nothing of it may be left.
    private func withGateway(
        to server: ScriptedServer, queueTimeout: Duration,
        _ body: @Sendable (_ target: LoadTarget, _ pool: Pool) async throws -> Void
    ) async throws {
        var settings = PoolConfiguration()
        settings.max = 2
        settings.queueSize = 8
        settings.queueTimeout = queueTimeout
        let upstreams = try StaticUpstreams(["127.0.0.1:\(server.port)"])
        let pool = Pool(configuration: settings, driver: upstreams)
        upstreams.attach(pool)
        var configuration = GatewayConfiguration()
        configuration.port = 0
        let gateway = Gateway(configuration: configuration, pool: pool, connector: upstreams, group: Self.group)
        let address = try await gateway.start()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await pool.run() }
            try await body(try LoadTarget("http://127.0.0.1:\(address.port ?? 0)/"), pool)
            await gateway.drain(deadline: .seconds(5))
            await pool.drain(deadline: .seconds(5))
            group.cancelAll()
        }
        let status = pool.status()
        #expect(status.instances.total == 0)
        #expect(status.requests.active + status.requests.queued == 0)
    }

    private func settle(_ pool: Pool) async throws {
        while pool.status().requests.active + pool.status().requests.queued > 0 {
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `three times the load is served as far as it goes, and the rest refused`() async throws {
        try await ScriptedServer.run({ _, _ in .init(delay: .milliseconds(20)) }) { server in
            try await withGateway(to: server, queueTimeout: .milliseconds(500)) { target, pool in
                // Two machines answer 100 requests a second; the bursts have 300.
                let result = try await LoadTest(
                    target: target, maxConcurrency: 2, duration: .seconds(1), rate: 150, group: Self.group
                ).run()
                let total = result.total
                #expect(total.succeeded > 0 && total.failed > 0)
                #expect(
                    Set(total.failures.keys).isSubset(of: ["HTTP 503 queue-full", "HTTP 503 queue-timeout"]),
                    "\(total.failures)")
                #expect(total.succeeded == server.requests(), "what was refused never reached a machine")
                try await settle(pool)
                let requests = pool.status().requests
                #expect(requests.succeeded == total.succeeded)
                #expect(requests.rejected == total.failed)
                #expect(!result.coolDown.isEmpty)
                #expect(result.coolDown.allSatisfy { $0.total <= 2 })
            }
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `clients that leave take their requests with them`() async throws {
        try await ScriptedServer.run({ path, _ in .init(hangs: true) }) { server in
            try await withGateway(to: server, queueTimeout: .seconds(600)) { target, pool in
                let load = LoadTest(
                    target: target, maxConcurrency: 5, duration: .seconds(600), rate: 200, group: Self.group)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { _ = try await load.run() }
                    while pool.status().requests.queued < 8 { try await Task.sleep(for: .milliseconds(5)) }
                    group.cancelAll()
                }
                try await settle(pool)
                let requests = pool.status().requests
                #expect(requests.total == requests.aborted + requests.rejected)
                #expect(pool.status().instances.busy == 0)
            }
        }
    }
}
