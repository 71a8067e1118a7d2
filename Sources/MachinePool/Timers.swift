/// What happens because time passes.
extension PoolState {
    /// The earliest time at which something has to be done, if nothing happens before. Changes nothing; `mutating` spares
    /// a copy of the state.
    @inline(__always)
    mutating func nextDue(at now: PoolTime) -> PoolTime? {
        var due = PoolTime(nanoseconds: .max)
        func consider(_ time: PoolTime?) {
            if let time, time < due { due = time }
        }
        // Asked for twice a request: no arrays, and no closures, which would copy the whole state to capture it.
        consider(queue.nextDeadline)
        consider(drainDeadline)
        if configuration.learnsConcurrency { consider(learned?.probeEnds) }
        if let slot = table.oldest(.booting) { consider(table.slots[slot].since + startTimeout) }
        if let slot = table.oldest(.restoring) { consider(table.slots[slot].since + startTimeout) }
        if let slot = table.oldest(.resuming) { consider(table.slots[slot].since + transitionTimeout) }
        if let slot = table.oldest(.pausing) { consider(table.slots[slot].since + transitionTimeout) }
        if !draining {
            consider(policy.nextEvaluation)
            consider(nextSpare(at: now))
            if target == nil {
                consider(nextIdle)
                consider(nextScaleDown)
            }
            if configuration.maxAge != nil { consider(nextRecycle) }
            if breaker.failures > 0, breaker.nextPermit > now { consider(breaker.nextPermit) }
        }
        return due.nanoseconds == .max ? nil : max(due, now)
    }

    mutating func runTimers(at now: PoolTime) {
        expireWaiters(at: now)
        failOverdue(at: now)
        if configuration.learnsConcurrency, learned?.probeEnds != nil {
            learned?.tick(at: now)
            followLearned()
        }
        if let drainDeadline, now >= drainDeadline { endDrain(at: now) }
        guard !draining else { return }
        if let evaluation = policy.nextEvaluation, now >= evaluation {
            target = policy.evaluate(view, at: now)
            if let target { trim(to: target, at: now) }
        }
        if target == nil {
            pauseIdle(at: now)
            reapPaused(at: now)
        }
        if let machine = nextToRecycle(at: now) { retire(machine, at: now) }
    }

    private var view: PoolView {
        PoolView(
            queued: queue.count, inflight: table.inflight, idle: table.count(.idle), busy: table.count(.busy),
            paused: table.count(.paused) + table.count(.pausing), serving: serving, alive: alive,
            concurrency: softConcurrency, minimum: configuration.min, maximum: limit, restores: mayRestore)
    }

    private mutating func failOverdue(at now: PoolTime) {
        for state in [MachineState.booting, .restoring, .resuming, .pausing] {
            let starting = state == .booting || state == .restoring
            let limit = starting ? startTimeout : transitionTimeout
            while let slot = table.oldest(state), now - table.slots[slot].since >= limit {
                let reason = starting ? "no answer before the start timeout" : "no answer to a pause or resume"
                apply(.failed(table.ref(slot), reason: reason), at: now)
            }
        }
    }

    // MARK: idle machines pause, paused machines end

    @inline(__always)
    private var nextIdle: PoolTime? {
        guard configuration.pauses, let slot = table.oldest(.idle) else { return nil }
        return table.slots[slot].since + idleTimeout
    }

    private mutating func pauseIdle(at now: PoolTime) {
        guard configuration.pauses else { return }
        while let slot = table.oldest(.idle), now - table.slots[slot].since >= idleTimeout { pause(slot, at: now) }
    }

    @inline(__always)
    private var reapable: (slot: Int, due: PoolTime)? {
        guard alive > keepFloor else { return nil }
        let pauses = configuration.pauses
        guard let slot = table.oldest(pauses ? .paused : .idle) else { return nil }
        let rest = pauses ? table.slots[slot].since : table.slots[slot].since + idleTimeout
        return (slot, rest + scaleDown)
    }

    @inline(__always)
    private var nextScaleDown: PoolTime? {
        guard let reapable else { return nil }
        return max(reapable.due, nextReap)
    }

    /// Ends what has been paused long enough: at most half of the pool a second, so that no single instant empties it.
    private mutating func reapPaused(at now: PoolTime) {
        guard now >= nextReap else { return }
        var quota = max(1, alive / 2)
        while quota > 0, let (slot, due) = reapable, due <= now {
            stop(slot, .scaleDown, at: now)
            quota -= 1
            nextReap = now + 1_000_000_000
        }
    }

    // MARK: machines that are worn out

    @inline(__always)
    private var nextRecycle: PoolTime? {
        guard let maxAge = configuration.maxAge, retiring == nil, breaker.failures == 0 else { return nil }
        return oldestBirth.map { $0.born + maxAge.nanoseconds }
    }

    private var oldestBirth: (machine: MachineRef, born: PoolTime)? {
        births.first.flatMap { machine in table.slot(of: machine).map { (machine, table.slots[$0].bornAt) } }
    }

    /// Forgets the births of machines that have left.
    mutating func updateBirths() {
        births.forget { table.slot(of: $0).map { MachineState.leaving.contains(table.slots[$0].state) } ?? true }
    }

    private mutating func nextToRecycle(at now: PoolTime) -> Int? {
        updateBirths()
        guard let due = nextRecycle, due <= now else { return nil }
        return births.first.flatMap { table.slot(of: $0) }
    }

    @inline(__always)
    func isWorn(_ slot: Int) -> Bool {
        guard let limit = configuration.maxRequests, retiring == nil, breaker.failures == 0 else { return false }
        return table.slots[slot].served >= limit
    }

    /// Replaces a machine: it goes on serving until its successor is ready, if there is room for one.
    mutating func retire(_ slot: Int, at now: PoolTime) {
        if table.slots[slot].inflight == 0, alive > keepFloor || table.slots[slot].state == .paused {
            release(slot, at: now)
        } else {
            retiring = table.ref(slot)
        }
    }
}
