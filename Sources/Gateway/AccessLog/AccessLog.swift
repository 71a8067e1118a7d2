import NIOCore

/// One event loop's part of the access log: lines are put together here and handed on by the batch.
final class AccessLog {
    private let sink: AccessLogWriter
    private let format: AccessLogFormat
    let showsQuery: Bool
    private var clock: AccessClock
    private var batch = ByteBuffer()
    private var lines = 0
    private var spare: [AccessNote] = []

    /// A batch this large is handed on at once, a smaller one with the next sweep.
    private static let full = 32 * 1024

    init(sink: AccessLogWriter, configuration: AccessLogConfiguration) {
        self.sink = sink
        format = configuration.format
        showsQuery = configuration.showsQuery
        clock = AccessClock(format: format)
    }

    /// A blank note for the request that begins.
    func note() -> AccessNote { spare.popLast() ?? AccessNote() }

    /// Writes the request's line. The note is of no further use to the caller.
    func record(_ note: AccessNote, _ outcome: AccessOutcome, at now: UInt64) {
        AccessLine(note: note, outcome: outcome, time: clock.text(at: now)).write(format, to: &batch)
        lines += 1
        if spare.count < 64 { spare.append(note) }
        if batch.readableBytes >= Self.full { flush() }
    }

    func sweep(now: UInt64) {
        clock.adjust(now: now)
        flush()
    }

    func flush() {
        guard lines > 0 else { return }
        sink.submit(batch, lines: lines)
        // The writer holds the storage, so that this allocates: once for some hundred lines.
        batch.clear()
        lines = 0
    }
}
