/// Machines that take requests and do not answer them.
extension PoolState {
    /// Failures in a row after which a machine is suspect.
    static let strikesAllowed = 2

    mutating func strike(_ slot: Int, at now: PoolTime) {
        let before = table.slots[slot].strikes
        table.update(slot) { $0.strikes += 1 }
        guard before + 1 >= Self.strikesAllowed else { return }
        if before < Self.strikesAllowed { suspects += 1 }
        // When every machine looks bad the fault is elsewhere, and no machine would be worse than a bad one.
        let ready = table.count(.idle) + table.count(.busy) + table.count(.paused)
        guard ready > suspects, table.slots[slot].state != .draining else { return }
        if table.slots[slot].inflight == 0 {
            stop(slot, .unhealthy, at: now)
        } else {
            release(slot, at: now)
        }
    }

    /// Takes a machine out of service in which nothing listens any more. It would fail quickly, look idle and draw the next
    /// requests to itself; and unlike one that answers badly it is of no use even as the last one.
    mutating func giveUp(_ slot: Int, at now: PoolTime) {
        guard table.slots[slot].state != .draining else { return }
        let reason = "nothing listens in the instance any more"
        if table.slots[slot].inflight == 0 { return apply(.failed(table.ref(slot), reason: reason), at: now) }
        // What others have of it may still come to its end.
        count(lost: slot, reason: reason, at: now)
        release(slot, at: now)
    }

    mutating func clearStrikes(_ slot: Int) {
        if table.slots[slot].strikes >= Self.strikesAllowed { suspects -= 1 }
        table.update(slot) { $0.strikes = 0 }
    }
}
