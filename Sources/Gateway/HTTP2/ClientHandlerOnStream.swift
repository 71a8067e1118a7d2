import NIOCore

/// How a handler comes to a stream of HTTP/2 in place of a connection, and leaves it: ready for another one, or closed.
extension ClientHandler {
    /// The request comes by a stream, which says so when it has ended.
    func begin(on stream: ClientStream) {
        self.stream = stream
        worker.add(self)
        if worker.isDraining { drain() }
    }

    func streamClosed() {
        closed()
        stream = nil
    }

    func belong(to client: ClientPeer, _ transport: ClientTransport) {
        (peer, address, self.transport) = (client.lines, client.address, transport)
    }

    /// The stream has ended. True: all is said, and this handler may have another one.
    func rest() -> Bool {
        guard phase == .head, pending.readableBytes == 0, partial == nil else { return false }
        stream = nil
        forgetRequest()
        (timer, deadline, lastMoment) = (.none, 0, 0)
        (isReadHeld, isWritable, isPatient) = (false, true, false)
        worker.remove(self)
        return true
    }
}
