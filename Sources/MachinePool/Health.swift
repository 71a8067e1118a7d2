/// Machines that take requests and do not answer them.
extension PoolState {
    /// Failures in a row after which a machine is suspect.
    static let strikesAllowed = 2

    mutating func strike(_ slot: Int, by strikes: Int = 1, at now: PoolTime) {
        let before = table.slots[slot].strikes
        table.update(slot) { $0.strikes += strikes }
        guard before + strikes >= Self.strikesAllowed else { return }
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

    mutating func clearStrikes(_ slot: Int) {
        if table.slots[slot].strikes >= Self.strikesAllowed { suspects -= 1 }
        table.update(slot) { $0.strikes = 0 }
    }
}
