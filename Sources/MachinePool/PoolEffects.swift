import NIOConcurrencyHelpers

/// What one event leads to, taken out of the lock to be carried out.
struct Decision: Sendable {
    enum Arrival: Sendable { case waits, granted(PoolGrant), rejected(PoolRejection) }

    /// What becomes at once of the request whose arrival the event is.
    var arrival = Arrival.waits
    /// Grants and refusals of others, and alarms; what the driver has to do is queued in the core.
    var actions: [PoolAction] = []
    var hasCalls = false
    var replies: [Ticket: Pool.Reply] = [:]
    var drains: [CheckedContinuation<Void, Never>] = []
    var notices: [PoolNotice] = []

    /// There is nothing to do but to tell the request, as after nearly every event.
    var isEmpty: Bool { actions.isEmpty && notices.isEmpty && !hasCalls && drains.isEmpty }
}

extension Pool.Core {
    /// Applies an event, and takes out all that carrying out the answer needs.
    mutating func decide(_ event: PoolEvent, at now: PoolTime) -> Decision {
        let before = state.totals.starts
        state.step(event, at: now)
        var decision = Decision()
        recorder?.record(event, state.actions, at: now)
        if let rule = watch.check(&state, after: event, state.actions, at: now) {
            decision.notices.append(PoolNotice(kind: .violation, detail: rule))
        }
        if case .machine(let event) = event { note(event, before, in: &decision) }
        guard !state.actions.isEmpty else { return decision }
        let queued = calls.count
        let asking: Ticket? = if case .requestArrived(let ticket, _) = event { ticket } else { nil }
        // By index, and emptied with its memory kept: a request costs no allocation here.
        for index in state.actions.indices { take(state.actions[index], asking, in: &decision) }
        while state.actions.popLast() != nil {}
        decision.hasCalls = calls.count > queued
        return decision
    }

    private mutating func take(_ action: PoolAction, _ asking: Ticket?, in decision: inout Decision) {
        switch action {
        case .grant(let ticket, let grant):
            if ticket == asking {
                decision.arrival = .granted(grant)
                return
            }
            decision.replies[ticket] = replies.removeValue(forKey: ticket)
            decision.actions.append(action)
        case .reject(let ticket, let rejection):
            decision.notices.append(PoolNotice(kind: .rejected, detail: rejection.label))
            if ticket == asking {
                decision.arrival = .rejected(rejection)
                return
            }
            decision.replies[ticket] = replies.removeValue(forKey: ticket)
            decision.actions.append(action)
        case .start(let machine, let method):
            calls.append(action)
            decision.notices.append(changed(machine, method == .boot ? .booting : .restoring))
        case .pause(let machine):
            calls.append(action)
            decision.notices.append(changed(machine, .pausing))
        case .resume(let machine):
            calls.append(action)
            decision.notices.append(changed(machine, .resuming))
        case .stop(let machine, let reason):
            calls.append(action)
            decision.notices.append(
                changed(machine, reason == .failed ? .failed : .stopping, detail: reason.rawValue))
        case .wake(let time):
            alarm = time
            decision.actions.append(action)
        case .circuit(let open):
            decision.notices.append(
                PoolNotice(
                    kind: open ? .circuitOpen : .circuitClosed, detail: open ? state.breaker.lastReason : nil))
        case .drained:
            isDrained = true
            decision.drains = drains
            drains = []
            decision.notices.append(PoolNotice(kind: .drained))
        }
    }

    private func changed(_ machine: MachineRef, _ state: MachineState, detail: String? = nil) -> PoolNotice {
        PoolNotice(kind: .machine, instance: name(machine), state: state.rawValue, detail: detail)
    }

    private func name(_ machine: MachineRef) -> String { descriptions[machine]?.id ?? machine.description }

    /// Notices for what the driver reported; an event that the reducer ignored is not worth one.
    private mutating func note(_ event: MachineEvent, _ before: StartTotals, in decision: inout Decision) {
        switch event {
        case .ready(let machine), .resumed(let machine):
            guard state.totals.starts != before else { return }
            var notice = changed(machine, .idle)
            notice.duration = Double(state.totals.starts.cost - before.cost) / 1_000_000
            decision.notices.append(notice)
        case .paused(let machine):
            if state.isKnown(machine) { decision.notices.append(changed(machine, .paused)) }
        case .failed: break
        case .gone(let machine, let reason):
            let notice = PoolNotice(kind: .machine, instance: name(machine), state: "gone", detail: reason)
            if descriptions.removeValue(forKey: machine) != nil || !state.isKnown(machine) {
                decision.notices.append(notice)
            }
        }
    }
}

extension Pool {
    /// Carries a decision out. The lock is not held: replies and drivers may call back.
    @inline(__always)
    func perform(_ decision: Decision, at now: PoolTime) {
        if decision.isEmpty { return }
        carryOut(decision, at: now)
    }

    private func carryOut(_ decision: Decision, at now: PoolTime) {
        var alarm: PoolTime?
        for action in decision.actions {
            switch action {
            case .grant(let ticket, let grant):
                let lease = Lease(grant, pool: self, at: now)
                // Without a reply the request was cancelled, and the lease goes back by being dropped.
                if let reply = decision.replies[ticket] { reply(.success(lease)) }
            case .reject(let ticket, let rejection):
                if let reply = decision.replies[ticket] { reply(.failure(rejection)) }
            case .wake(let time): alarm = time
            case .start, .pause, .resume, .stop, .circuit, .drained: break
            }
        }
        // Before the driver: one that answers at once would be ahead of the notice of what it answers.
        for notice in decision.notices { notices.post(notice) }
        if decision.hasCalls { callDriver() }
        // Last: it wakes a thread, which would be at work on a core that a start could use.
        if let alarm { setAlarm.yield(alarm) }
        for drain in decision.drains { drain.resume() }
    }

    /// Passes queued calls to the driver in the order in which they were decided, one thread at a time: a machine's
    /// `stop` never overtakes its `start`. A thread that finds another at it leaves its calls to that one.
    private func callDriver() {
        while true {
            let batch = core.withLockedValue { core -> [PoolAction] in
                guard !core.isCalling, !core.calls.isEmpty else { return [] }
                core.isCalling = true
                defer { core.calls = [] }
                return core.calls
            }
            if batch.isEmpty { return }
            for call in batch {
                switch call {
                case .start(let machine, let method): driver.start(machine, method)
                case .pause(let machine): driver.pause(machine)
                case .resume(let machine): driver.resume(machine)
                case .stop(let machine, let reason): driver.stop(machine, reason: reason)
                default: break
                }
            }
            core.withLockedValue { $0.isCalling = false }
        }
    }
}
