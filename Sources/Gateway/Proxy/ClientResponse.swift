import Glibc
import HTTPWire
import MachinePool
import NIOCore

/// Writing responses, and what becomes of the connection after them.
extension ClientHandler {
    @inline(__always)
    func write(_ buffer: ByteBuffer) {
        writtenBytes += buffer.readableBytes
        if let stream { stream.write(buffer) } else { context?.write(wrapOutboundOut(buffer), promise: nil) }
    }

    @inline(__always)
    func flush() { if stream == nil { context?.flush() } }

    /// A head from the machine that is not the final one. False when there were too many.
    func informational(_ response: ResponseHead, _ bytes: UnsafeRawBufferPointer, _ fields: HeadFields) -> Bool {
        informational += 1
        if informational > worker.configuration.limits.informational { return false }
        if response.status == 100 {
            if hasContinued { return true }
            hasContinued = true
            if timer == .expectation { arm(.body, bodySpan) }
        }
        guard head.isHTTP11 else { return true }
        worker.out.clear()
        writeHead(response.sizeBound(worker.additions)) { writer in
            response.writeInformational(bytes, fields, worker.additions, to: &writer)
        }
        write(worker.out)
        return true
    }

    /// The final head; it stays in `worker.out`, so that a small body leaves with it.
    func beginResponse(
        _ response: ResponseHead, _ bytes: UnsafeRawBufferPointer, _ fields: HeadFields, _ upstream: UpstreamHandler
    ) {
        stage = .responding
        canReplay = false
        keepsRequest = false
        forgetRequest()
        if !isRequestDone || worker.isDraining { closesAfter = true }
        // Bytes that came early for a protocol that was refused are not a request.
        if head.wantsUpgrade, pending.readableBytes > 0 { closesAfter = true }
        framing = response.clientFraming(isHTTP11: head.isHTTP11)
        if framing == .untilClose { closesAfter = true }
        arm(.response, worker.timers.responseIdle)
        describe(upstream)
        let additions = worker.additions
        worker.out.clear()
        writeHead(response.sizeBound(additions)) { writer in
            response.write(
                bytes, fields, additions, framing: framing,
                connection: closesAfter ? .close : head.isHTTP11 ? .keepAlive : .keepAliveHTTP10, to: &writer)
        }
        // Held by nobody else, the id's bytes take the next request's.
        worker.additions.requestID = []
        story.status = response.status
        story.headBytes = worker.out.readableBytes
    }

    /// A 101: from here on the two connections are one.
    func beginTunnel(
        _ response: ResponseHead, _ bytes: UnsafeRawBufferPointer, _ fields: HeadFields, _ upstream: UpstreamHandler
    ) {
        describe(upstream)
        worker.out.clear()
        writeHead(response.sizeBound(worker.additions)) { writer in
            response.writeInformational(bytes, fields, worker.additions, to: &writer)
        }
        story.status = response.status
        story.headBytes = worker.out.readableBytes
        write(worker.out)
        phase = .tunnel
        lastMoment = 0
        forgetRequest()
        armTunnel()
        if pending.readableBytes > 0 {
            let early = pending
            pending = worker.empty
            tunnel(early)
        }
        resumeReading()
        if isInputClosed { upstream.closeOutput() }
    }

    private func describe(_ upstream: UpstreamHandler) {
        let now = Worker.now()
        answered = now
        if note != nil { story.instance = upstream.name }
        worker.additions.latency = (now &- began) / 1000
        worker.additions.requestID = requestID
        worker.additions.instance = upstream.lines
        if transport.isEncrypted, !worker.strictTransport.isEmpty {
            worker.additions.instance += worker.strictTransport
        }
        guard worker.configuration.instanceHeaders == .all else { return }
        worker.additions.startKind = startKind.headerValue
        worker.additions.queue = queued
        worker.additions.start = started
        worker.additions.connect = granted == 0 ? 0 : (sent &- granted) / 1000
        worker.additions.app = (now &- sent) / 1000
    }

    private func writeHead(_ bound: Int, _ body: (inout HeadWriter) -> Void) {
        worker.out.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { memory in
            guard var writer = HeadWriter(memory) else { return 0 }
            body(&writer)
            return writer.count
        }
    }

    /// The machine has said everything. The connection goes back first, then the lease, so that the next request finds it.
    func responseEnded(_ upstream: UpstreamHandler, isReusable: Bool) {
        flush()
        self.upstream = nil
        upstream.client = nil
        if isReusable { worker.upstreams.park(upstream, now: worker.coarseNow) } else { upstream.close() }
        endLease(.ok)
        finishExchange()
        stream?.exchangeEnded()
    }

    /// After the last byte of a response, whoever made it.
    func finishExchange() {
        guard phase != .closed else { return }
        record()
        sequence += 1
        lastMoment = 0
        let isLast = worker.isDraining && transport.isStream || isInputClosed && pending.readableBytes == 0
        if closesAfter || isLast { return closeAfterFlush() }
        phase = .head
        isRequestDone = true
        if transport.isStream {
            // The last frames may wait for their client.
            renewTail()
            pending = worker.empty
        } else if worker.isDraining {
            // A client that was not told to close may ask once more, and is told then.
            timer = .keepAlive
            deadline = Worker.now() &+ Worker.lastCall
        } else {
            watchTaking()
        }
        if pending.readableBytes > 0 { processInput() }
        resumeReading()
    }

    /// Closes once everything written has left. What the client still sends is read and dropped for a while, because
    /// closing on unread bytes would make its kernel throw the response away.
    func closeAfterFlush() {
        guard phase != .closed else { return }
        let lingers = !isRequestDone || pending.readableBytes > 0 || head.length == 0
        phase = .closing
        pending = worker.empty
        if let stream {
            arm(.linger, worker.timers.bodyIdle)
            return stream.finish()
        }
        guard let context else { return }
        watchTaking()
        let bound = NIOLoopBound(self, eventLoop: worker.loop)
        context.writeAndFlush(wrapOutboundOut(worker.empty)).whenComplete { _ in
            let client = bound.value
            guard client.phase == .closing, let context = client.context else { return }
            // What a closed socket leaves to the kernel is watched by nobody.
            let isOwed = context.unacknowledged > 0
            if lingers || isOwed, !client.isInputClosed {
                client.arm(.linger, client.worker.timers.linger)
                context.close(mode: .output, promise: nil)
                client.resumeReading()
            } else {
                context.close(promise: nil)
            }
        }
    }

    /// Breaks off, so that the client sees that something is missing. With a body that ends with the connection only a reset
    /// tells a broken response from a whole one, and only a reset takes back what the kernel holds for a client.
    func abort(resets: Bool = false) {
        guard phase != .closed else { return }
        release(.aborted)
        if let stream { return stream.cut() }
        guard let context else { return }
        if resets {
            context.resetsWhenClosed()
            if transport.isEncrypted { return context.closeUnderTLS() }
        }
        context.close(promise: nil)
    }
}

extension StartKind {
    var headerValue: [UInt8] {
        switch self {
        case .idle: StartKindBytes.idle
        case .resumed: StartKindBytes.resumed
        case .restored: StartKindBytes.restored
        case .booted: StartKindBytes.booted
        }
    }
}

private enum StartKindBytes {
    static let idle = Array("idle".utf8)
    static let resumed = Array("resumed".utf8)
    static let restored = Array("restored".utf8)
    static let booted = Array("booted".utf8)
}
