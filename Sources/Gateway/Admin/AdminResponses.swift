import HTTPWire
import NIOCore

/// Answers of the gateway's own paths.
extension ClientHandler {
    func answer(_ request: AdminRequest) {
        guard let admin = worker.admin, let path = request.path else { return fail(.misdirected, closes: false) }
        guard request.method == .get || request.method == .head, isRequestDone else {
            return fail(.methodNotAllowed, closes: !isRequestDone)
        }
        if path == .events { return subscribe(admin) }
        let document = admin.document(path)
        worker.out.clear()
        writeAdminHead("application/json", length: document.utf8.count)
        story.headBytes = worker.out.readableBytes
        if request.method == .get { worker.out.writeString(document) }
        write(worker.out)
        flush()
        finishExchange()
    }

    private func subscribe(_ admin: AdminRoutes) {
        guard head.method == .get else { return fail(.methodNotAllowed, closes: false) }
        guard admin.feed.subscribe(self, on: worker.loop) else { return fail(.subscribersFull, closes: true) }
        phase = .events
        lastMoment = 0
        arm(.none, 0)
        worker.out.clear()
        writeAdminHead("text/event-stream", length: nil)
        worker.out.writeString(EventFeed.greeting(admin.pool))
        write(worker.out)
        flush()
        resumeReading()
    }

    private func writeAdminHead(_ type: String, length: Int?) {
        story.status = 200
        worker.out.writeString(
            """
            HTTP/1.1 200 OK\r\nContent-Type: \(type)\r\nCache-Control: no-store\r\n\
            X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'\r\n
            """)
        if let length { worker.out.writeString("Content-Length: \(length)\r\n") }
        if length == nil || closesAfter {
            worker.out.writeString("Connection: close\r\n")
        } else if !head.isHTTP11 {
            worker.out.writeString("Connection: keep-alive\r\n")
        }
        worker.out.writeBytes(worker.additions.date)
        worker.out.writeString("X-Request-Id: \(String(decoding: requestID, as: UTF8.self))\r\n\r\n")
    }

    /// One event for a reader. One that does not take what it was sent is let go when its buffer is full.
    func event(_ text: String) {
        guard phase == .events else { return }
        guard isWritable else { return abort() }
        var buffer = ByteBufferAllocator().buffer(capacity: text.utf8.count)
        buffer.writeString(text)
        write(buffer)
        flush()
    }
}
