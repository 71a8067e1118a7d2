import NIOConcurrencyHelpers

/// Passes notices on to whoever listens; costs one lock when nobody does.
final class NoticeBoard: Sendable {
    private struct Readers: Sendable {
        var next = 0
        var streams: [Int: (kinds: Set<PoolNotice.Kind>?, feed: AsyncStream<PoolNotice>.Continuation)] = [:]
    }

    /// Notices one reader may be behind.
    static let backlog = 256

    private let readers = NIOLockedValueBox(Readers())

    /// A reader is woken by what it wants only: a start has better to do on its cores.
    func subscribe(to kinds: Set<PoolNotice.Kind>? = nil) -> AsyncStream<PoolNotice> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: PoolNotice.self, bufferingPolicy: .bufferingNewest(Self.backlog))
        let number = readers.withLockedValue { readers in
            readers.next += 1
            readers.streams[readers.next] = (kinds, continuation)
            return readers.next
        }
        continuation.onTermination = { [readers] _ in
            readers.withLockedValue { $0.streams[number] = nil }
        }
        return stream
    }

    func post(_ notice: PoolNotice) {
        let streams = readers.withLockedValue { Array($0.streams.values) }
        for stream in streams where stream.kinds?.contains(notice.kind) ?? true { stream.feed.yield(notice) }
    }
}
