import Gateway
import MachinePool
import NIOCore
import NIOPosix
import Testing

@Suite(.timeLimit(.minutes(3))) struct MixingTests {
    /// A hundred thousand: Benchmarks/memory/run.
    @Test func `twenty thousand requests of two clients over shared connections get their own answers`() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let app = try await TargetApp.start(on: group)
        let port = try #require(app.localAddress?.port)
        // One machine that takes two requests at a time: both clients are served over the same two connections.
        try await withGateway({ _, _ in [] }, upstreams: ["127.0.0.1:\(port)"]) { _, pool in
            (pool.max, pool.concurrency) = (1, 2)
        } _: { fixture in
            let wrong = try await withThrowingTaskGroup(of: Int.self) { tasks in
                for name in ["a", "bb"] {
                    tasks.addTask {
                        try await TargetClient.run(name, port: fixture.port, count: 10_000, batch: 50, on: group)
                    }
                }
                return try await tasks.reduce(0, +)
            }
            #expect(wrong == 0)
            // A client has its last answer before the lease that brought it is counted.
            #expect(try await fixture.isAtRest())
            let requests = fixture.pool.status().requests
            #expect(requests.succeeded == 20_000, "\(requests)")
        }
        try await app.close()
        try await group.shutdownGracefully()
    }
}
