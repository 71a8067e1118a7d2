import HTTPWire
import MachinePool
import NIOCore

/// Ends of a connection: time-outs, half-closes, the drain; and tunnels, which have no other rules.
extension ClientHandler {
    /// A deadline has passed.
    func expire() {
        deadline = 0
        // Where the connection of a stream holds all of them back, that is judged as a whole.
        if let stream, timer == .keepAlive || timer == .linger, stream.isWaiting, !stream.connection.isWritable {
            return arm(timer, worker.timers.bodyIdle)
        }
        switch timer {
        case .none: break
        case .first, .tunnel: abort()
        case .keepAlive: closeAfterFlush()
        case .taking, .linger: expireTaking()
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
        // The machine takes nothing, and says nothing either: what it may for as long as its answer may be in coming.
        if stage != .sent || !isReadHeld || windowBytes > 0 {
            heldSince = worker.coarseNow
        } else if worker.timers.firstByte > 0, worker.coarseNow &- heldSince >= worker.timers.firstByte {
            return fail(.firstByteTimeout, closes: true)
        }
        let least = Double(worker.configuration.limits.minimumRate) * Double(span) / 1_000_000_000
        if isReadHeld || windowBytes > 0 && (isPatient || Double(windowBytes) >= least) {
            windowBytes = 0
            return arm(.body, span)
        }
        fail(.bodyTimeout, closes: true)
    }

    private func expireResponse() {
        // Where the streams' connection holds them all back, that is judged as a whole.
        if let stream, !takesMore, !stream.connection.isWritable { return progressed() }
        story.note(takesMore ? .silentResponse : .slowClient)
        if takesMore { endLease(.upstreamFailed) }
        abort()
    }

    /// The machine said something, or the client took something: now the machine may be silent, or the client slow.
    func progressed() {
        if takesMore {
            arm(.response, worker.timers.responseIdle)
        } else if transport.isStream {
            // One that takes anything becomes writable, and what comes then sets the time anew.
            arm(.response, worker.timers.bodyIdle)
        } else if timer != .taking {
            watchTaking()
        }
    }

    /// The rest of a response that has come to its end goes on waiting for a client that takes it.
    func renewTail() {
        switch phase {
        case .head:
            let span = worker.timers.keepAlive
            arm(.keepAlive, span == 0 ? worker.timers.bodyIdle : span)
        case .closing: arm(.linger, worker.timers.bodyIdle)
        default: break
        }
    }

    /// From now on the client must take what was written for it. Most have done so before anyone looks.
    func watchTaking() {
        taking.forget()
        arm(.taking, worker.timers.tick)
    }

    private func expireTaking() {
        guard let context else { return abort() }
        let verdict = taking.look(
            written: writtenBytes, owed: context.unacknowledged, now: worker.coarseNow, span: worker.timers.bodyIdle,
            rate: worker.configuration.limits.minimumRate)
        switch verdict {
        case .owedNothing where phase == .exchange: arm(.response, worker.timers.responseIdle)
        case .owedNothing where phase == .head: arm(.keepAlive, worker.timers.keepAlive)
        case .owedNothing: abort()
        case .keepsUp:
            timer = .taking
            deadline = taking.end
        case .tooSlow:
            story.note(.slowClient)
            abort(resets: true)
        }
    }

    /// The client will send nothing more. It may still want its answer, or be gone altogether.
    func inputClosed() {
        guard !isInputClosed else { return }
        isInputClosed = true
        switch phase {
        case .events: abort()
        // While the last response is on its way, its end closes.
        case .closing: if timer == .linger, !transport.isStream { abort() }
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
        // What waits for the client is a whole response; requests behind it wait until it takes that.
        case .head: if takesMore || pending.readableBytes == 0 { closeAfterFlush() }
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
        if isInputClosed {
            // Each side closes for itself once it has what was said to it.
            leaveTunnel(.ok)
            record()
            return closeAfterFlush()
        }
        context?.close(mode: .output, promise: nil)
        armTunnel()
    }

    /// Nothing of the machine's is wanted any more, what the client has said still goes to it.
    func leaveTunnel(_ outcome: LeaseOutcome) {
        guard let upstream else { return }
        self.upstream = nil
        upstream.finish(lease.take(), outcome)
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
