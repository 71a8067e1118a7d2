import HTTPWire
import NIOCore

/// What a client's HTTP/2 connection sends: all that its streams say in one turn of the loop, in one write.
extension ClientConnection {
    /// What the streams say in one turn of the loop leaves in one write: together they cost one system call, one by one
    /// as many as there are streams.
    func wake() {
        if isTurnDue || isReading { return }
        isTurnDue = true
        worker.turns.add(self)
    }

    func turn() {
        isTurnDue = false
        guard let context else { return }
        if !queued.isEmpty { pump() }
        flush(context)
        while let stream = over.popLast() { remove(stream) }
        if refusesNew, streams.isEmpty { leave() }
    }

    /// One frame of each stream that waits, in turns, while there is room.
    private func pump() {
        var isMoving = true
        while isMoving, isWritable {
            isMoving = false
            for stream in queued where stream.sendQueued() { isMoving = true }
        }
        let looked = queued
        queued.removeAll { !$0.isWaiting }
        for stream in looked { stream.isQueued = stream.isWaiting }
        // They may write at once.
        for stream in looked { stream.relieve() }
    }

    /// Data for a stream, for which there is room.
    func send(_ bytes: ByteBuffer, ends: Bool, on id: UInt32) {
        session.beginData(bytes.readableBytes, ends: ends, on: id)
        guard let context else { return }
        // Encrypted, every write is a record; and below this size two more writes cost more than a copy.
        if transport.isEncrypted || bytes.readableBytes < 8 * 1024 {
            bytes.withUnsafeReadableBytes { session.out.append($0) }
            if session.out.bytes.count >= 64 * 1024 { moveOut(context) }
        } else {
            moveOut(context)
            written += bytes.readableBytes
            isUnflushed = true
            context.write(wrapOutboundOut(bytes), promise: nil)
        }
        wake()
    }

    func moveOut(_ context: ChannelHandlerContext) {
        if session.out.isEmpty { return }
        let bytes = session.out.bytes
        var buffer = context.channel.allocator.buffer(capacity: bytes.count)
        buffer.writeBytes(bytes)
        session.out.release()
        written += buffer.readableBytes
        isUnflushed = true
        context.write(wrapOutboundOut(buffer), promise: nil)
    }

    func flush(_ context: ChannelHandlerContext) {
        moveOut(context)
        guard isUnflushed else { return }
        isUnflushed = false
        context.flush()
    }

    /// Its last frame has been written, or a reset.
    func isOver(_ stream: ClientStream) {
        over.append(stream)
        wake()
        // Nothing that others say could go with it, and now it is all at hand.
        if streams.count == 1, !isReading, queued.isEmpty, let context { flush(context) }
    }

    private func remove(_ stream: ClientStream) {
        guard streams.remove(stream.id) != nil else { return }
        stream.ended()
        streamEnded()
    }

    /// Ends a stream on the spot that was the only one and whose frames have left: in the next turn its memory would have
    /// to be fetched again.
    func settle(_ stream: ClientStream) {
        guard !isReading, !refusesNew, over.count == 1, over[0] === stream, streams.count == 1, queued.isEmpty,
            session.out.isEmpty, !isUnflushed, context != nil
        else { return }
        isTurnDue = false
        over.removeAll(keepingCapacity: true)
        remove(stream)
    }
}
