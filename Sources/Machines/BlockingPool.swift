import NIOPosix
import VMM

/// Runs work that blocks (files, locks, netlink, image builds) off Swift's cooperative threads.
package enum BlockingPool {
    private static let threads: NIOThreadPool = {
        // Waiting for another process's lock holds a thread for long, so there are more threads than cores.
        let pool = NIOThreadPool(numberOfThreads: 16)
        pool.start()
        return pool
    }()

    /// For what a request waits for: nothing slow is before it.
    private static let prompt: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 8)
        pool.start()
        return pool
    }()

    /// Runs what a request waits for and nobody else; returns at once.
    static func begin(_ body: @escaping @Sendable () -> Void) {
        prompt.submit { _ in body() }
    }

    /// `run` for what a request waits for.
    static func runPromptly<Value: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        try await prompt.offload(body)
    }

    /// Returns when `body` has ended; cancelling the caller does not interrupt a body that has begun.
    package static func run<Value: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        try await threads.offload(body)
    }
}
