/// The end of the pool: accepted requests finish, machines end.
extension PoolState {
    mutating func startDrain(deadline: Duration, at now: PoolTime) {
        let due = now + deadline.nanoseconds
        drainDeadline = min(drainDeadline ?? due, due)
        draining = true
        target = nil
        retiring = nil
    }

    /// Ends every machine that nobody needs any more, as soon as that is so.
    mutating func continueDrain(at now: PoolTime) {
        if queue.isEmpty {
            for state in [MachineState.booting, .restoring, .resuming, .idle, .pausing, .paused] {
                while let slot = table.newest(state) ?? (state == .pausing ? table.newestWanted : nil) {
                    stop(slot, .drained, at: now)
                }
            }
        } else {
            // Requests accepted before the drain still get the machines they need.
            provision(at: now)
        }
        if table.used == 0, queue.isEmpty, !drainedSent {
            drainedSent = true
            drainDeadline = nil
            actions.append(.drained)
        }
    }

    /// The drain's time is over: what is left is cut off.
    mutating func endDrain(at now: PoolTime) {
        drainDeadline = nil
        while let waiter = queue.popFirst() {
            totals.rejected += 1
            actions.append(.reject(waiter.ticket, .draining))
        }
        for state in [MachineState.draining, .busy] {
            while let slot = state == .busy ? table.anyBusy : table.newest(state) { stop(slot, .drained, at: now) }
        }
    }
}
