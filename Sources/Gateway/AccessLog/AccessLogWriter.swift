import Glibc
package import Logging
import NIOConcurrencyHelpers
package import NIOCore
import NIOPosix

/// Writes batches of log lines on a thread of its own. Whoever submits never waits: beyond the backlog lines are dropped,
/// and the log says how many.
package final class AccessLogWriter: Sendable {
    package struct Counts: Sendable, Equatable, Encodable {
        /// Lines.
        package var written: UInt64 = 0
        package var dropped: UInt64 = 0
    }

    private struct Batch: Sendable {
        let bytes: ByteBuffer
        let lines: Int
    }

    private struct State: Sendable {
        var queue = CircularBuffer<Batch>()
        var waiting = 0
        var isWorking = false
        var reopens = false
        var counts = Counts()
        /// Lines dropped since the log last said so.
        var untold: UInt64 = 0
        /// After this what cannot be written is given up.
        var deadline: NIODeadline?

        /// True when a thread must be set to work.
        mutating func begin() -> Bool {
            if isWorking { return false }
            isWorking = true
            return true
        }
    }

    private let configuration: AccessLogConfiguration
    private let state = NIOLockedValueBox(State())
    private let output: NIOLockedValueBox<AccessLogOutput>
    private let threads = NIOThreadPool(numberOfThreads: 1)
    private let logger: Logger?

    /// Opens the destination. Throws `GatewayError.logUnavailable`.
    package init(_ configuration: AccessLogConfiguration, logger: Logger? = nil) throws(GatewayError) {
        self.configuration = configuration
        self.logger = logger
        output = NIOLockedValueBox(try AccessLogOutput.open(configuration.destination))
        threads.start()
    }

    package var counts: Counts { state.withLockedValue { $0.counts } }

    func makeLog() -> AccessLog { AccessLog(sink: self, configuration: configuration) }

    /// Takes lines, or drops them when too much waits already.
    func submit(_ bytes: ByteBuffer, lines: Int) {
        let begins = state.withLockedValue { state in
            guard state.waiting + bytes.readableBytes <= configuration.backlog, state.deadline == nil else {
                state.counts.dropped += UInt64(lines)
                state.untold += UInt64(lines)
                return false
            }
            state.waiting += bytes.readableBytes
            state.queue.append(Batch(bytes: bytes, lines: lines))
            return state.begin()
        }
        if begins { threads.submit { _ in self.work() } }
    }

    /// Opens the file anew, under the same name: its rotation moved the old one away.
    package func reopen() {
        let begins = state.withLockedValue { state in
            state.reopens = true
            return state.begin()
        }
        if begins { threads.submit { _ in self.work() } }
    }

    /// Writes what waits, for a second at most, and lets go of the file.
    package func close(on loop: any EventLoop) async {
        let written = loop.makePromise(of: Void.self)
        state.withLockedValue { $0.deadline = .now() + .seconds(1) }
        threads.submit { _ in written.succeed() }
        // A disk that hangs holds its thread, but not the end of the program.
        let late = loop.scheduleTask(in: .seconds(2)) { written.succeed() }
        // The future has no error.
        try? await written.futureResult.get()
        late.cancel()
        threads.shutdownGracefully { _ in }
    }

    // MARK: On the writer's thread

    private func work() {
        while let (batch, reopens, untold) = next() {
            if reopens { openAnew() }
            if untold > 0 { tell(untold) }
            guard let batch else { continue }
            let isWritten = write(batch.bytes)
            state.withLockedValue { state in
                state.waiting -= batch.bytes.readableBytes
                if isWritten {
                    state.counts.written += UInt64(batch.lines)
                } else {
                    state.counts.dropped += UInt64(batch.lines)
                    state.untold += UInt64(batch.lines)
                }
            }
        }
    }

    /// What is to be done next; nil when there is nothing, and then the thread is free.
    private func next() -> (batch: Batch?, reopens: Bool, untold: UInt64)? {
        state.withLockedValue { state in
            if state.queue.isEmpty, !state.reopens {
                state.isWorking = false
                return nil
            }
            defer { (state.reopens, state.untold) = (false, 0) }
            return (state.queue.popFirst(), state.reopens, state.untold)
        }
    }

    private func tell(_ lines: UInt64) {
        var clock = AccessClock(format: configuration.format)
        let time = String(decoding: clock.text(at: Worker.now()), as: UTF8.self)
        let text =
            switch configuration.format {
            case .json: "{\"time\":\"\(time)\",\"dropped\":\(lines)}\n"
            case .common: "# [\(time)] \(lines) lines were dropped\n"
            }
        if !write(ByteBuffer(string: text)) { state.withLockedValue { $0.untold += lines } }
    }

    private func write(_ bytes: ByteBuffer) -> Bool {
        let result = output.withLockedValue { output in
            output.write(bytes) { self.state.withLockedValue { $0.deadline.map { $0 <= .now() } ?? false } }
        }
        if case .failed(let reason, isNew: true) = result {
            logger?.warning("the access log cannot be written; lines are dropped", metadata: ["error": "\(reason)"])
        }
        return result == .written
    }

    private func openAnew() {
        do throws(GatewayError) {
            let new = try AccessLogOutput.open(configuration.destination)
            output.withLockedValue { output in
                output.close()
                output = new
            }
        } catch {
            logger?.warning("the access log stays as it was", metadata: ["error": "\(error)"])
        }
    }
}
