import NIOCore

/// Data that waits for a client to have room for it. Small pieces are gathered: there may be very many of them.
struct WaitingData {
    private var pieces: [ByteBuffer] = []
    private var first = 0
    /// The last piece is a buffer of its own, to which more can be added.
    private var isGathering = false
    private(set) var bytes = 0

    private static let small = 4096

    var isEmpty: Bool { bytes == 0 }

    mutating func append(_ piece: ByteBuffer) {
        let count = piece.readableBytes
        if count == 0 { return }
        bytes += count
        guard count < Self.small else {
            isGathering = false
            guard piece.storageCapacity > 2 * count else { return pieces.append(piece) }
            // Memory that is mostly something else's is not held for it.
            var copy = ByteBufferAllocator().buffer(capacity: count)
            copy.writeImmutableBuffer(piece)
            return pieces.append(copy)
        }
        if !isGathering || pieces[pieces.count - 1].writableBytes < count {
            pieces.append(ByteBufferAllocator().buffer(capacity: 4 * Self.small))
            isGathering = true
        }
        pieces[pieces.count - 1].writeImmutableBuffer(piece)
    }

    /// Nil where there is nothing, or nothing may be taken.
    mutating func take(atMost limit: Int) -> ByteBuffer? {
        guard bytes > 0, limit > 0 else { return nil }
        let count = min(limit, pieces[first].readableBytes)
        let taken = pieces[first].readSlice(length: count)
        bytes -= count
        if pieces[first].readableBytes == 0 { first += 1 }
        if first == pieces.count {
            (pieces, first, isGathering) = ([], 0, false)
        } else if first >= 32 {
            pieces.removeFirst(first)
            first = 0
        }
        return taken
    }
}
