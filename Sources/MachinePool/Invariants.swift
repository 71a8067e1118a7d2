/// What must hold of the pool between any two events. The numbers are those of the tests and of the metric
/// `fcctl_invariant_violations_total`.
extension PoolState {
    /// One line for each rule that is broken; empty in a correct pool. Linear in machines and waiters.
    package func violations() -> [String] {
        var broken: [String] = []
        func require(_ rule: String, _ holds: Bool, _ detail: @autoclosure () -> String) {
            if !holds { broken.append("\(rule): \(detail())") }
        }
        var inflight = 0
        var used = 0
        for (slot, machine) in table.slots.enumerated() {
            let load = machine.inflight
            let name = "machine \(slot).\(machine.generation)"
            require("I1", load >= 0 && load <= configuration.concurrency, "\(name) holds \(load)")
            inflight += load
            guard let state = machine.state else {
                require("I4", load == 0, "\(name) is free and holds \(load)")
                continue
            }
            used += 1
            switch state {
            case .busy: require("I4", load > 0, "\(name) is busy without a request")
            case .draining: require("I4", load > 0, "\(name) drains without a request")
            default: require("I4", load == 0, "\(name) is \(state) and holds \(load)")
            }
            if let longest = longest(state) {
                require("I18", clock.now - machine.since < longest.nanoseconds, "\(name) is \(state) for too long")
            }
            require("I12", machine.since <= clock.now, "\(name) changed in the future")
        }
        require("I2", inflight == table.inflight, "\(table.inflight) leases counted, \(inflight) held")
        require("I3", used <= configuration.max, "\(used) machines, max \(configuration.max)")
        require("I3", used == table.used, "\(table.used) slots counted, \(used) used")
        broken += listViolations()
        let capacity = table.count(.idle) > 0 || table.leastLoaded() != nil
        require("I6", queue.isEmpty || !capacity, "\(queue.count) wait beside idle capacity")
        let room = configuration.queueSize + configuration.max * configuration.concurrency
        require("I7", queue.count + table.inflight <= room, "\(queue.count) wait, \(table.inflight) in flight")
        let ends = totals.succeeded + totals.failed + totals.rejected + totals.aborted
        require(
            "I8", totals.requests == ends + inflight + queue.count,
            "\(totals.requests) accepted, \(ends) ended, \(inflight) in flight, \(queue.count) queued")
        require("I11", startsInFlight <= configuration.startsInFlight, "\(startsInFlight) starts in flight")
        require(
            "I14", suspects == table.slots.count { $0.state != nil && $0.strikes >= Self.strikesAllowed }, "suspects")
        if used > limit {
            let cold = table.count(.paused) + table.count(.idle)
            let leaving = table.count(.stopping) + table.count(.failed) + table.count(.draining)
            require("I15", cold == 0 || used - leaving <= limit, "\(used) machines, memory for \(limit)")
        }
        if let deadline = queue.nextDeadline {
            require("I16", deadline > clock.now, "a waiter is past its deadline")
            require("I16", scheduledWake.map { $0 <= deadline } ?? false, "no timer for the first deadline")
        }
        require("I18", isLive, "\(queue.count) wait and nothing is coming")
        return broken
    }

    /// A queue that nothing serves must at least have a timer after which something may be started, or a machine that
    /// has to go first.
    private var isLive: Bool {
        if queue.isEmpty { return true }
        let coming = serving + table.count(.draining) + table.count(.stopping) + table.count(.failed)
        if coming > 0 || limit == 0 { return true }
        return breaker.failures > 0 && breaker.nextPermit > clock.now
    }

    /// How long a machine may be in a state in which it waits for its driver.
    private func longest(_ state: MachineState) -> Duration? {
        switch state {
        case .booting, .restoring: configuration.startTimeout
        case .pausing, .resuming: configuration.transitionTimeout
        default: nil
        }
    }

    private func listViolations() -> [String] {
        var broken: [String] = []
        for state in MachineState.allCases {
            let actual = table.slots.count { $0.state == state }
            if actual != table.count(state) {
                broken.append("I10: \(actual) are \(state), \(table.count(state)) listed")
            }
        }
        return broken
    }
}
