import NIOPosix

/// Runs work that blocks (files, locks, netlink, image builds) off Swift's cooperative threads.
package enum BlockingPool {
    private static let threads: NIOThreadPool = {
        // Waiting for another process's lock holds a thread for long, so there are more threads than cores.
        let pool = NIOThreadPool(numberOfThreads: 16)
        pool.start()
        return pool
    }()

    /// Returns when `body` has ended; cancelling the caller does not interrupt a body that has begun.
    package static func run<Value: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            threads.submit { _ in
                do throws(Failure) {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }
}
