package import NIOPosix

extension NIOThreadPool {
    /// Runs blocking work on a thread of the pool. Unlike `runIfActive` it is not skipped by a cancelled task, so
    /// clean-up can rely on it.
    package func offload<Result: Sendable, Failure: Error>(
        _ work: @escaping @Sendable () throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        let outcome: Swift.Result<Result, Failure> = await withCheckedContinuation { continuation in
            submit { _ in
                do throws(Failure) {
                    continuation.resume(returning: .success(try work()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try outcome.get()
    }
}
