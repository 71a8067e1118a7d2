import HTTPWire
import NIOCore

/// How long a client's HTTP/2 connection lives: its time-outs, and the drain.
extension ClientConnection {
    func wait(_ span: UInt64) { deadline = span == 0 ? 0 : worker.coarseNow &+ span }

    func streamEnded() {
        if streams.isEmpty { watchTaking() }
    }

    /// From now on the client must take what was written for it, whichever stream it is of.
    func watchTaking() {
        guard !isWatching, !isOver else { return }
        isWatching = true
        taking.forget()
        wait(worker.timers.tick)
    }

    /// False: the client owes nothing but its own silence.
    private func expireTaking(_ context: ChannelHandlerContext) -> Bool {
        let verdict = taking.look(
            written: written, owed: context.unacknowledged, now: worker.coarseNow, span: worker.timers.bodyIdle,
            rate: worker.configuration.limits.minimumRate)
        switch verdict {
        case .owedNothing:
            guard isWatching else { return false }
            isWatching = false
            if streams.isEmpty { wait(isEnding || isOver ? worker.timers.linger : worker.timers.keepAlive) }
        case .keepsUp:
            isWatching = true
            // Acknowledgements come late; when the last one has, the connection is idle.
            deadline = streams.isEmpty ? min(taking.end, worker.coarseNow &+ worker.timers.tick) : taking.end
        case .tooSlow:
            context.resetsWhenClosed()
            context.closeUnderTLS()
        }
        return true
    }

    /// Idle for long, or asked to end and not gone.
    func expire() {
        deadline = 0
        if isEnding, !refusesNew, !isOver { refuseNew() }
        if let context, expireTaking(context) { return }
        if isOver { return abort() }
        guard streams.isEmpty else { return isEnding ? () : abort() }
        if isEnding { return end(.none) }
        drain()
        wait(worker.timers.linger)
    }

    /// Says goodbye. What the client sent before it heard of that is still answered: the answer to the ping tells when
    /// everything of the kind has come (RFC 9113 6.8).
    func drain() {
        guard !isEnding, !isOver else { return }
        isEnding = true
        session.sayGoodbye(isLast: false)
        session.ping(Self.lastCall)
        wake()
        // Whoever has not even said that it heard the goodbye is not waited for.
        if streams.isEmpty { isWatching = false }
        if !isWatching { wait(worker.timers.linger) }
    }

    /// What pings of the drain carry.
    static let lastCall: UInt64 = 0x6663_6374_6c20_6279

    /// Streams that begin from now on are not answered, and with the last of the others the connection ends.
    func refuseNew() {
        guard isEnding, !refusesNew else { return }
        refusesNew = true
        session.sayGoodbye(isLast: true)
        wake()
    }
}
