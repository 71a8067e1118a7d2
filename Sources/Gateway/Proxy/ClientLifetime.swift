import HTTPWire
import MachinePool
import NIOCore

/// Ends of a connection: time-outs, half-closes, the drain; and tunnels, which have no other rules.
extension ClientHandler {
    /// A deadline has passed.
    func expire() {
        deadline = 0
        switch timer {
        case .none: break
        case .first, .keepAlive, .linger, .tunnel: abort()
        case .header:
            noteMalformed()
            fail(.headerTimeout, closes: true)
        case .body: expireBody()
        case .expectation:
            hasContinued = true
            if head.isHTTP11 {
                worker.out.clear()
                worker.out.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
                write(worker.out)
                flush()
            }
            arm(.body, bodySpan)
        case .firstByte: fail(.firstByteTimeout, closes: !isRequestDone)
        case .response: expireResponse()
        }
    }

    /// The request as a whole has taken too long.
    func expireRequest() {
        lastMoment = 0
        guard phase == .exchange else { return }
        story.note(.requestTimeout)
        fail(.requestTimeout, closes: !isRequestDone)
    }

    /// A body that comes too slowly holds a machine that others wait for.
    private func expireBody() {
        let span = bodySpan
        // A client that waits for 100 has nothing to send before there is a machine.
        if head.expectsContinue, stage == .acquiring || stage == .connecting { return arm(.body, span) }
        let least = Double(worker.configuration.limits.minimumRate) * Double(span) / 1_000_000_000
        if isReadHeld || windowBytes > 0 && (isPatient || Double(windowBytes) >= least) {
            windowBytes = 0
            return arm(.body, span)
        }
        fail(.bodyTimeout, closes: true)
    }

    private func expireResponse() {
        // A stream that takes anything becomes writable, and what comes then sets the time anew.
        if takesMore || transport.isStream {
            story.note(.silentResponse)
            return abort()
        }
        arm(.response, worker.timers.bodyIdle)
        let least = worker.configuration.limits.minimumRate * Int(worker.timers.bodyIdle / 1_000_000_000)
        let left = (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        // A channel that cannot tell what it holds has taken everything.
        let taken = writtenBytes - left
        if taken - drainedBytes < max(1, least) {
            story.note(.slowClient)
            return abort()
        }
        drainedBytes = taken
    }

    /// The machine said something: the client has time to take it, or the machine has time until it speaks again.
    func progressed() {
        arm(.response, takesMore ? worker.timers.responseIdle : worker.timers.bodyIdle)
    }

    /// The client has not taken all that was written: from now on it must keep to the minimum rate.
    func clientIsSlow(waiting: Int) {
        drainedBytes = writtenBytes - waiting
        arm(.response, worker.timers.bodyIdle)
    }

    /// The client will send nothing more. It may still want its answer, or be gone altogether.
    func inputClosed() {
        guard !isInputClosed else { return }
        isInputClosed = true
        switch phase {
        case .events, .closing: abort()
        case .tunnel:
            upstream?.closeOutput()
            armTunnel()
        case .closed: break
        case .head: endOfInput()
        case .exchange:
            if isRequestDone { probeSoon() } else { endOfInput() }
        }
    }

    /// Nothing more will come: what is there is all there is, and half a request will never be whole.
    func endOfInput() {
        switch phase {
        case .head: if timer == .header { abort() } else { closeAfterFlush() }
        case .exchange where !isRequestDone && !isHoldingBody: abort()
        default: break
        }
    }

    /// To a client that has gone, not only fallen silent, any byte brings a reset back. An interim response is such a byte,
    /// and means nothing to one that still listens (RFC 9110 15.2). One that answers within 50 ms is never asked.
    private func probeSoon() {
        guard head.isHTTP11 else { return }
        let bound = NIOLoopBound(self, eventLoop: worker.loop)
        let number = sequence
        worker.loop.scheduleTask(in: .milliseconds(50)) {
            let client = bound.value
            guard client.phase == .exchange, client.stage != .responding, client.sequence == number else { return }
            client.worker.out.clear()
            client.worker.out.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
            client.write(client.worker.out)
            client.flush()
        }
    }

    /// No request is begun any more on this connection.
    func drain() {
        switch phase {
        case .head where transport.isStream: break
        case .events: abort()
        case .exchange where stage == .responding: break  // its head is out already and said nothing of an end
        case .head, .exchange: closesAfter = true
        case .tunnel, .closing, .closed: break
        }
    }

    /// Closes a connection on which no request has begun.
    func endIdle() {
        if phase == .head, pending.readableBytes == 0, !transport.isStream { closeAfterFlush() }
    }

    // MARK: Tunnel

    /// Bytes of the client for the machine.
    func tunnel(_ buffer: ByteBuffer) {
        armTunnel()
        upstream?.send(buffer)
        upstream?.flushIfNeeded()
    }

    /// The machine's side of the tunnel will send nothing more.
    func tunnelHalfClosed() {
        context?.close(mode: .output, promise: nil)
        armTunnel()
    }

    /// Half a tunnel may go on while bytes pass, but what ended one side has most likely ended the other one as well.
    func armTunnel() {
        let (idle, half) = (worker.timers.tunnelIdle, worker.timers.bodyIdle)
        let isWhole = !isInputClosed && upstream?.isInputClosed != true
        arm(.tunnel, isWhole ? idle : idle == 0 ? half : min(idle, half))
    }

    /// The machine's side of the tunnel is gone.
    func tunnelEnded(_ upstream: UpstreamHandler) {
        guard self.upstream === upstream else { return }
        self.upstream = nil
        upstream.client = nil
        endLease(.ok)
        record()
        closeAfterFlush()
    }
}
