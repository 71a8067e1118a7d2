/// How a request gets a machine.
extension PoolState {
    mutating func arrive(_ ticket: Ticket, priority: Bool, at now: PoolTime) {
        totals.requests += 1
        if draining { return refuse(ticket, .draining) }
        if queue.isEmpty, let slot = capacity() {
            grant(ticket, slot, arrived: now, at: now)
            return policy.arrived(queued: 0, inflight: table.inflight, served: true)
        }
        if queue.count + table.inflight >= configuration.queueSize + limit * concurrency {
            return refuse(ticket, .queueFull(retryAfter: retryAfter()))
        }
        if isFailing(at: now) { return refuse(ticket, failing(at: now)) }
        queue.append(ticket, arrived: now, deadline: now + queueTimeout, priority: priority)
        policy.arrived(queued: queue.count, inflight: table.inflight, served: false)
    }

    mutating func cancel(_ ticket: Ticket) {
        guard queue.remove(ticket) else { return }
        totals.aborted += 1
    }

    /// A machine that can take a request now: an idle one, else the least loaded with room.
    @inline(__always)
    private func capacity() -> Int? { table.newest(.idle) ?? table.leastLoaded() }

    /// Hands capacity to the waiters, whoever brought it about.
    mutating func serveQueue(at now: PoolTime) {
        while let slot = capacity(), let waiter = queue.popFirst() {
            grant(waiter.ticket, slot, arrived: waiter.arrived, at: now)
        }
        // Nothing is left that could serve the waiters: an answer now is worth more than one at the deadline.
        while !queue.isEmpty, isFailing(at: now), let waiter = queue.popFirst() {
            refuse(waiter.ticket, failing(at: now))
        }
    }

    private mutating func grant(_ ticket: Ticket, _ slot: Int, arrived: PoolTime, at now: PoolTime) {
        let waited = now - arrived
        // Capacity reaches waiters in the step that brings it: a machine ready now is one they waited for.
        let met = waited > 0 && table.slots[slot].readyAt == now
        let started = met ? min(waited, table.slots[slot].startCost) : 0
        table.changeLoad(slot, by: 1, at: now)
        learned?.granted(load: table.slots[slot].inflight, at: now)
        totals.granted += 1
        totals.waited += waited
        actions.append(
            .grant(
                ticket,
                PoolGrant(
                    machine: table.ref(slot), startKind: met ? table.slots[slot].startKind : .idle,
                    queued: waited - started,
                    started: started)))
    }

    private mutating func refuse(_ ticket: Ticket, _ rejection: PoolRejection) {
        totals.rejected += 1
        actions.append(.reject(ticket, rejection))
    }

    mutating func expireWaiters(at now: PoolTime) {
        while let waiter = queue.popExpired(at: now) {
            refuse(waiter.ticket, .queueTimeout(retryAfter: retryAfter()))
        }
    }

    /// True if no machine serves or is coming, and none may be started yet.
    @inline(__always)
    private func isFailing(at now: PoolTime) -> Bool {
        // Closed or not: a waiter to whom no start can come in time learns that now.
        guard breaker.isOpen || breaker.nextPermit > now + queueTimeout else { return false }
        if serving + table.count(.paused) + table.count(.pausing) - startsInFlight > 0 { return false }
        // One machine is being tried: as many requests as it can take may wait for it.
        if startsInFlight > 0 { return queue.count >= startsInFlight * concurrency }
        return !breaker.permits(at: now, inFlight: 0)
    }

    private func failing(at now: PoolTime) -> PoolRejection {
        let wait = max(1, (breaker.nextPermit - now + 999_999_999) / 1_000_000_000)
        return .failing(retryAfter: .seconds(wait), reason: breaker.lastReason)
    }

    /// Whole seconds until the queue of now will have been served, from the mean time a request holds a machine.
    private func retryAfter() -> Duration {
        let service = serviceTime.value ?? 1_000_000_000
        let lanes = Double(max(1, limit * concurrency))
        let seconds = Double(queue.count + table.inflight) * service / lanes / 1_000_000_000
        return .seconds(Int(min(max(seconds.rounded(.up), 1), 60)))
    }

    mutating func endLease(_ machine: MachineRef, _ outcome: LeaseOutcome, held: Int64, at now: PoolTime) {
        guard let slot = table.slot(of: machine), table.slots[slot].inflight > 0 else {
            // The machine died and its leases were counted then.
            totals.stale += 1
            return
        }
        table.changeLoad(slot, by: -1, at: now)
        switch outcome {
        case .ok:
            totals.succeeded += 1
            serviceTime.add(Double(held))
            learned?.answered(held: held, at: now)
            followLearned()
            policy.served(serviceTime.value)
            breaker.recordSuccess(of: table.slots[slot].bornAt)
            clearStrikes(slot)
            table.update(slot) { $0.served += 1 }
        case .upstreamFailed:
            totals.failed += 1
            strike(slot, at: now)
        case .unreachable:
            totals.failed += 1
            giveUp(slot, at: now)
        case .aborted:
            totals.aborted += 1
        }
        switch table.slots[slot].state {
        case .draining: if table.slots[slot].inflight == 0 { stop(slot, .recycled, at: now) }
        // Not one that was stopped just now for failing its requests: nothing may follow a machine that is leaving.
        case .idle, .busy: if isWorn(slot) { retire(slot, at: now) }
        default: break
        }
    }
}
