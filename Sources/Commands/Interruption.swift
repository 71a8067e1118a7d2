@preconcurrency import Dispatch
import Glibc

/// Signals that ask the program to end, as values.
enum Interruption {
    /// SIGINT and SIGTERM as they come, instead of killing the process. Ends never; the caller stops reading.
    static func signals() -> AsyncStream<Int32> {
        AsyncStream { feed in
            let sources = [SIGINT, SIGTERM].map { number in
                signal(number, SIG_IGN)
                let source = DispatchSource.makeSignalSource(signal: number)
                source.setEventHandler { feed.yield(number) }
                source.resume()
                return source
            }
            feed.onTermination = { _ in for source in sources { source.cancel() } }
        }
    }

    /// Runs `body`; a signal cancels it, and once it has cleaned up the process ends with 128 + the signal's number.
    static func race<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                for await number in signals() {
                    throw CommandError(128 + number, "interrupted")
                }
                return nil
            }
            defer { group.cancelAll() }
            do {
                while let result = try await group.next() {
                    if let result { return result }
                }
            } catch let interruption as CommandError {
                group.cancelAll()
                // The body's own clean-up ends before the process does; its error is the interruption's consequence.
                while (try? await group.next()) != nil {}
                throw interruption
            }
            throw CommandError(ExitCodes.software, "the command ended without a result")
        }
    }
}
