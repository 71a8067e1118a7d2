import HTTPWire
import MachinePool
import NIOCore

/// The way of one request: lease, connection, sending, and what happens when one of them fails.
extension ClientHandler {
    func startExchange(admin: AdminRequest?) {
        began = Worker.now()
        lastMoment = worker.timers.request == 0 ? 0 : worker.coarseNow &+ worker.timers.request
        story = ResponseStory(writtenBefore: writtenBytes)
        body = BodyDecoder(head.framing, isRequest: true)
        isRequestDone = body.isComplete
        bodyBytes = 0
        windowBytes = 0
        attempts = 0
        losses = 0
        informational = 0
        hasContinued = false
        queued = 0
        started = 0
        answered = 0
        sent = 0
        granted = 0
        closesAfter = !head.keepsAlive
        phase = .exchange
        stage = .acquiring
        if let limit = worker.configuration.limits.body, case .length(let length) = head.framing, length > limit {
            return fail(.malformed(.bodyTooLarge), closes: true)
        }
        if worker.upstreams.mayRefuse, head.length > MachineLinkSettings.largestHead {
            return fail(.malformed(.headTooLarge), closes: true)
        }
        if let admin { return answer(admin) }
        if head.method == .options, head.maxForwards == 0 { return answerOptions() }
        let isRepeatable =
            head.method.isIdempotent || head.hasIdempotencyKey && worker.configuration.repeatsIdempotencyKeys
        canReplay = isRepeatable && !head.wantsUpgrade
        keepsRequest = canReplay || worker.upstreams.mayRefuse && !head.wantsUpgrade
        worker.budget.earn()
        if isRequestDone { arm(.none, 0) } else { arm(.body, bodySpan) }
        acquire(priority: false)
    }

    private func acquire(priority: Bool) {
        stage = .acquiring
        let number = sequence
        switch worker.pool.acquire(priority: priority, orWait: waitingReply) {
        case .granted(let lease): begin(with: lease)
        case .rejected(let rejection): fail(.noMachine(rejection), closes: false)
        case .waiting(let ticket):
            // The answer may have come before the ticket.
            if sequence == number, stage == .acquiring, phase == .exchange { self.ticket = ticket }
        }
    }

    /// What the pool calls when the request had to wait.
    private func waitingReply() -> Pool.Reply {
        let number = sequence
        let bound = NIOLoopBound(self, eventLoop: worker.loop)
        let loop = worker.loop
        return { result in
            if loop.inEventLoop {
                bound.value.answered(result, number)
            } else {
                let parcel = NIOLoopBoundBox.makeBoxSendingValue(LeaseParcel(result), eventLoop: loop)
                loop.execute {
                    if let result = parcel.value.open() { bound.value.answered(result, number) }
                }
            }
        }
    }

    /// A lease that comes too late is returned by dropping it.
    private func answered(_ result: consuming Result<Lease, PoolRejection>, _ number: UInt64) {
        guard number == sequence, phase == .exchange, stage == .acquiring else { return }
        ticket = nil
        switch consume result {
        case .failure(let rejection): fail(.noMachine(rejection), closes: false)
        case .success(let lease): begin(with: lease)
        }
    }

    private func begin(with lease: consuming Lease) {
        queued += UInt64(max(0, lease.queued)) / 1000
        started += UInt64(max(0, lease.started)) / 1000
        startKind = lease.startKind
        let machine = lease.machine
        self.lease = consume lease
        granted = 0
        if let kept = worker.upstreams.take(machine, isCertain: !canReplay) { send(on: kept) } else { connect(machine) }
    }

    private func connect(_ machine: MachineRef) {
        stage = .connecting
        granted = Worker.now()
        let attempt = worker.upstreams.connect(machine, worker: worker) { result in
            self.attempt = nil
            switch result {
            case .success(let upstream): self.send(on: upstream)
            case .failure(let error): self.unreachable(error as? UpstreamError ?? .unreachable("\(error)"))
            }
        }
        if !attempt.isOver { self.attempt = attempt }
    }

    private func send(on upstream: UpstreamHandler) {
        self.upstream = upstream
        stage = .sent
        // A kept connection is used in the moment of the grant, which the lease tells without a look at the clock.
        sent = granted == 0 && attempts == 0 ? began &+ (queued + started) * 1000 : Worker.now()
        upstream.begin(self)
        upstream.send(requestBytes)
        upstream.flushIfNeeded()
        // It may have failed in that moment, and this may be the next request already.
        guard upstream.client === self else { return }
        if !keepsRequest { forgetRequest() }
        if head.expectsContinue, !isRequestDone {
            arm(.expectation, worker.timers.expectation)
        } else if isRequestDone {
            arm(.firstByte, worker.timers.firstByte)
        }
        if !isRequestDone {
            processInput()
            resumeReading()
        }
    }

    /// Large heads are not kept for the next request.
    func forgetRequest() {
        if requestBytes.capacity > 2048 { requestBytes = worker.empty } else { requestBytes.clear() }
    }

    /// Nothing was sent, so that any request may go to another machine.
    private func unreachable(_ error: UpstreamError) {
        switch error {
        case .refused, .notRunning:
            // Told so, the pool takes the machine out of service: the next try is another one's, or a new one's.
            endLease(.unreachable)
            if queued + started < waitLimit { return again() }
        case .timedOut, .unreachable:
            endLease(.upstreamFailed)
            losses += 1
            if losses < 3, worker.budget.spend() { return again() }
        }
        fail(.unreachable(error), closes: false)
    }

    /// Microseconds: who has waited so long, on all tries together, waits no more.
    private var waitLimit: UInt64 { UInt64(max(0, worker.pool.queueTimeout.nanoseconds)) / 1000 }

    /// The connection broke, or brought nonsense, before the response was complete.
    func upstreamFailed(_ upstream: UpstreamHandler, _ failure: ProxyFailure) {
        guard self.upstream === upstream else { return }
        self.upstream = nil
        upstream.client = nil
        upstream.close()
        if phase == .tunnel || stage == .responding {
            story.note(failure)
            endLease(.upstreamFailed)
            return phase == .tunnel ? closeAfterFlush() : abort(resets: framing == .untilClose)
        }
        guard case .broken = failure, canReplay, upstream.isUntouched else {
            endLease(.upstreamFailed)
            return fail(failure, closes: !isRequestDone)
        }
        let isDead = worker.upstreams.wereClosed(since: upstream)
        if !isDead, upstream.exchanges > 1, let machine = lease?.machine {
            // A kept connection that ends at once was closed by the app before the request came: the machine is well.
            attempts += 1
            return connect(machine)
        }
        endLease(.upstreamFailed)
        losses += 1
        // Deaths multiply no overload: each brings back what one machine held, and machines start no faster for it.
        guard losses <= Self.mostRepeats, isDead || worker.budget.spend() else {
            return fail(failure, closes: !isRequestDone)
        }
        again()
    }

    /// One is not enough where machines die one after the other: what was hit once is hit again as likely as any other.
    /// Without a limit a request that kills whoever serves it would kill them all.
    private static let mostRepeats = 3

    private func again() {
        attempts += 1
        sequence += 1
        acquire(priority: true)
    }

    /// What follows a request for an upgrade may be meant for the other protocol, and for no parser here.
    private var mayHoldForeignBytes: Bool { phase == .exchange && head.wantsUpgrade }

    /// Answers for the machine, or breaks off if its answer has begun.
    func fail(_ failure: ProxyFailure, closes: Bool) {
        guard phase != .closed, phase != .closing else { return }
        if phase == .exchange, stage == .responding { return abort() }
        sequence += 1
        release(failure.origin == .instance ? .upstreamFailed : .aborted)
        if closes || !isRequestDone || mayHoldForeignBytes || worker.isDraining { closesAfter = true }
        story.note(failure)
        story.status = failure.status
        if requestID.isEmpty { worker.identifiers.next(into: &requestID) }
        let problem = ProblemResponse(
            failure: failure, requestID: String(decoding: requestID, as: UTF8.self), prefersHTML: head.prefersHTML)
        worker.out.clear()
        problem.write(
            to: &worker.out, date: worker.additions.date, closes: closesAfter, isHead: head.method == .head)
        story.headBytes = worker.out.readableBytes - problem.bodyCount(isHead: head.method == .head)
        write(worker.out)
        flush()
        finishExchange()
    }

    /// The last proxy that may answer OPTIONS has nothing to say but that it is here (RFC 9110 7.6.2).
    private func answerOptions() {
        if !isRequestDone || mayHoldForeignBytes || worker.isDraining { closesAfter = true }
        worker.out.clear()
        worker.out.writeString("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\(closesAfter ? "Connection: close\r\n" : "")")
        worker.out.writeBytes(worker.additions.date)
        worker.out.writeStaticString("\r\n")
        story.status = 200
        story.headBytes = worker.out.readableBytes
        write(worker.out)
        flush()
        finishExchange()
    }
}

/// Carries a lease from the thread that made it to the connection's loop. Unopened, it returns the lease by dropping it.
private final class LeaseParcel {
    private var lease: Lease?
    private var rejection: PoolRejection?

    init(_ result: consuming Result<Lease, PoolRejection>) {
        switch consume result {
        case .success(let lease): self.lease = consume lease
        case .failure(let rejection): self.rejection = rejection
        }
    }

    func open() -> Result<Lease, PoolRejection>? {
        if let lease = lease.take() { return .success(lease) }
        return rejection.map { .failure($0) }
    }
}
