/// What becomes of a machine between its start and its end.
extension PoolState {
    mutating func apply(_ event: MachineEvent, at now: PoolTime) {
        switch event {
        case .ready(let machine): becomeReady(machine, at: now)
        case .paused(let machine): becomePaused(machine, at: now)
        case .resumed(let machine): becomeResumed(machine, at: now)
        case .failed(let machine, let reason): fail(machine, reason: reason, at: now)
        case .gone(let machine, let reason): vanish(machine, reason: reason, at: now)
        }
    }

    private mutating func becomeReady(_ machine: MachineRef, at now: PoolTime) {
        guard let slot = table.slot(of: machine),
            table.slots[slot].state == .booting || table.slots[slot].state == .restoring
        else { return ignore() }
        let wasOpen = breaker.isOpen
        breaker.recordReady(at: now)
        if wasOpen { actions.append(.circuit(open: false)) }
        enterService(slot, at: now)
        if configuration.maxAge != nil { births.append(machine) }
    }

    private mutating func becomeResumed(_ machine: MachineRef, at now: PoolTime) {
        guard let slot = table.slot(of: machine), table.slots[slot].state == .resuming else { return ignore() }
        enterService(slot, at: now)
    }

    private mutating func enterService(_ slot: Int, at now: PoolTime) {
        let cost = now - table.slots[slot].startedAt
        let kind = table.slots[slot].startKind
        totals.starts.record(kind, cost)
        policy.started(kind, cost: cost)
        table.update(slot) {
            $0.startCost = cost
            $0.readyAt = now
            if kind != .resumed {
                $0.bornAt = now
                $0.bootCost = cost
            }
        }
        table.enter(.idle, slot, at: now)
        if let old = retiring.flatMap({ table.slot(of: $0) }), old != slot, kind != .resumed { release(old, at: now) }
        if kind == .restored { putOnStandby(slot, at: now) }
    }

    private mutating func becomePaused(_ machine: MachineRef, at now: PoolTime) {
        guard let slot = table.slot(of: machine), table.slots[slot].state == .pausing else { return ignore() }
        let wanted = table.slots[slot].wanted
        table.enter(.paused, slot, at: now)
        if wanted, !draining { resume(slot, at: now) }
    }

    private mutating func fail(_ machine: MachineRef, reason: String, at now: PoolTime) {
        guard let slot = table.slot(of: machine) else { return ignore() }
        switch table.slots[slot].state {
        case .stopping, .failed: return
        default: break
        }
        lose(slot, reason: reason, at: now)
        table.enter(.failed, slot, at: now)
        actions.append(.stop(machine, .failed))
    }

    private mutating func vanish(_ machine: MachineRef, reason: String?, at now: PoolTime) {
        guard let slot = table.slot(of: machine) else { return ignore() }
        switch table.slots[slot].state {
        case .stopping, .failed: break
        default: lose(slot, reason: reason ?? "the instance ended", at: now)
        }
        table.free(slot)
    }

    /// Accounts for a machine that died without being told to.
    private mutating func lose(_ slot: Int, reason: String, at now: PoolTime) {
        count(lost: slot, reason: reason, at: now)
        leaveService(slot)
        totals.failed += table.dropLeases(slot)
    }

    /// What its loss says of starts and snapshots.
    mutating func count(lost slot: Int, reason: String, at now: PoolTime) {
        let machine = table.slots[slot]
        if machine.state == .restoring {
            // The snapshot may be at fault: the next start is a boot, until another snapshot is announced.
            mayRestore = false
        } else if machine.readyAt == nil || machine.served == 0 && now - machine.startedAt < probation(machine) {
            let wasOpen = breaker.isOpen
            breaker.recordFailure(at: now, startedAt: machine.startedAt, reason: reason)
            if breaker.isOpen, !wasOpen { actions.append(.circuit(open: true)) }
        }
        totals.deaths += 1
        lastFailure = reason
    }

    private func probation(_ machine: MachineSlot) -> Int64 {
        machine.startCost + breaker.limits.probation.nanoseconds
    }

    /// Forgets what only a machine in service has.
    private mutating func leaveService(_ slot: Int) {
        clearStrikes(slot)
        if retiring == table.ref(slot) { retiring = nil }
    }

    private mutating func ignore() { totals.stale += 1 }

    mutating func start(_ method: StartMethod, at now: PoolTime) {
        guard let slot = table.allocate(method == .boot ? .booting : .restoring, at: now) else { return }
        let kind: StartKind = method == .boot ? .booted : .restored
        table.update(slot) {
            $0.startKind = kind
            $0.bornKind = kind
        }
        breaker.recordStart(at: now)
        actions.append(.start(table.ref(slot), method))
    }

    mutating func resume(_ slot: Int, at now: PoolTime) {
        table.update(slot) {
            $0.startKind = .resumed
            $0.startedAt = now
        }
        table.enter(.resuming, slot, at: now)
        actions.append(.resume(table.ref(slot)))
    }

    mutating func pause(_ slot: Int, at now: PoolTime) {
        table.enter(.pausing, slot, at: now)
        actions.append(.pause(table.ref(slot)))
    }

    mutating func stop(_ slot: Int, _ reason: StopReason, at now: PoolTime) {
        leaveService(slot)
        totals.failed += table.dropLeases(slot)
        table.enter(.stopping, slot, at: now)
        actions.append(.stop(table.ref(slot), reason))
    }

    /// Lets a machine finish its requests and stops it.
    mutating func release(_ slot: Int, at now: PoolTime) {
        leaveService(slot)
        switch table.slots[slot].state {
        case .busy: table.enter(.draining, slot, at: now)
        case .idle, .paused: stop(slot, .recycled, at: now)
        default: break
        }
    }
}
