import HTTPWire
import NIOCore

/// The response of a stream: frames of what the handler writes, as far as the client has room for them.
extension ClientStream {
    /// So much may wait for room before the handler is asked to stop.
    private static let highMark = 64 * 1024
    /// What a client must take in one time-out so as not to be let go.
    private static let gap = 8 * 1024

    /// Takes what an HTTP/1.1 client would be sent. Heads come whole, and what follows one may come with it.
    func write(_ bytes: ByteBuffer) {
        var bytes = bytes
        while response.isAtHead, bytes.readableBytes > 0, !isEndWritten { sendHead(&bytes) }
        guard bytes.readableBytes > 0, !isEndWritten, !endsNext else { return }
        response.take(bytes)
        while let part = response.next() { send(part) }
    }

    private func sendHead(_ bytes: inout ByteBuffer) {
        if isGRPC, let failure = GRPC.failure(bytes) {
            // What follows is the same in words, for people.
            response.drop()
            _ = failure.withUnsafeReadableBytes { connection.session.respond($0, toHead: true, on: id) }
            return endWritten()
        }
        let lines = bytes.withUnsafeReadableBytes { connection.session.respond($0, toHead: toHead, on: id) }
        connection.wake()
        guard let length = lines.length else { return cut() }
        bytes.moveReaderIndex(forwardBy: length)
        guard let framing = lines.framing(toHead: toHead) else { return }
        response.begin(framing)
        if response.isComplete { endWritten() }
    }

    private func send(_ part: BodyReader.Part) {
        switch part {
        case .data(let bytes, let ends):
            let count = bytes.readableBytes
            if count > 0, !isWaiting, connection.isWritable, count <= connection.session.room(on: id) {
                connection.send(bytes, ends: ends, on: id)
                if ends { endWritten() }
                return
            }
            outbound.append(bytes)
            endsNext = ends
        case .trailers(let section):
            trailers = section
            endsNext = true
        }
        queue()
    }

    private func endWritten() {
        // What is missing of the request is of no use to anyone (RFC 9113 8.1).
        connection.session.reset(id, .none)
        end()
    }

    // MARK: What waits

    var isWaiting: Bool { !isEndWritten && (endsNext || !outbound.isEmpty) }

    /// Sends what there is room for; the rest waits for its turn.
    func queue() {
        if isQueued { return holdBack() }
        while sendQueued() {}
        guard isWaiting else { return }
        isQueued = true
        connection.queued.append(self)
        holdBack()
    }

    private func holdBack() {
        if tail != .max { tail = max(tail, outbound.bytes) }
        if outbound.bytes > Self.highMark { client.isWritable = false }
    }

    /// Sends one frame of what waits. False: there is none, or no room.
    func sendQueued() -> Bool {
        guard isWaiting, connection.isWritable else { return false }
        if outbound.isEmpty {
            if let trailers {
                trailers.withUnsafeReadableBytes { connection.session.send(trailers: $0, on: id) }
            } else {
                connection.send(connection.worker.empty, ends: true, on: id)
            }
            endWritten()
            return true
        }
        guard let frame = outbound.take(atMost: connection.session.room(on: id)) else { return false }
        let ends = endsNext && trailers == nil && outbound.isEmpty
        connection.send(frame, ends: ends, on: id)
        if ends { endWritten() }
        return true
    }

    /// Tells the handler what the client has taken.
    func relieve() {
        if isEndWritten { return }
        if !client.isWritable, outbound.bytes <= Self.highMark - Self.gap {
            client.isWritable = true
            client.takesAgain()
            // What it has read then may have been the rest.
            if isEndWritten { return }
        }
        if tail - outbound.bytes >= Self.gap {
            tail = outbound.bytes
            client.renewTail()
        }
    }
}
