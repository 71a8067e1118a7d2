import NIOCore

/// HTTP/2 without TLS: a client that knows it is spoken here begins with a preface that no request can look like
/// (RFC 9113 3.3). `Upgrade: h2c` is not offered, and such a request is answered in HTTP/1.1.
extension ClientHandler: RemovableChannelHandler {
    /// Gives the connection to HTTP/2 if its first bytes are the preface. Then this handler is done.
    func yieldToHTTP2() -> Bool {
        guard sequence == 0, transport == .plain, let context, Self.isPreface(pending) else { return false }
        let bytes = pending
        pending = worker.empty
        let channel = context.channel
        do {
            try ClientConnection.configure(channel, worker: worker, isEncrypted: false)
        } catch {
            return false
        }
        channel.pipeline.syncOperations.removeHandler(self).whenFailure { _ in channel.close(promise: nil) }
        // This handler no longer counts as a connection.
        guard worker.admit(channel) else {
            channel.close(promise: nil)
            return true
        }
        channel.pipeline.fireChannelRead(bytes)
        channel.pipeline.fireChannelReadComplete()
        return true
    }

    private static func isPreface(_ bytes: ByteBuffer) -> Bool {
        let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8
        return bytes.withUnsafeReadableBytes { $0.prefix(24).elementsEqual(preface.prefix(min(24, $0.count))) }
    }
}
