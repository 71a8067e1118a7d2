/// What must hold of the pool between any two events. The numbers are those of the tests and of the metric
/// `fcctl_invariant_violations_total`.
extension PoolState {
    /// One line for each rule that is broken; empty in a correct pool. Linear in the number of machines.
    package func violations() -> [String] {
        var copy = self
        return tableViolations() + copy.sumViolations()
    }

    /// The rules that need no look at each machine: cheap enough for every event of a running pool. Changes nothing; as
    /// an ordinary method it would be handed a copy of the state that its caller holds for change.
    mutating func sumViolations() -> [String] {
        var broken: [String] = []
        func require(_ rule: String, _ holds: Bool, _ detail: @autoclosure () -> String) {
            if !holds { broken.append("\(rule): \(detail())") }
        }
        let (used, inflight) = (table.used, table.inflight)
        let (idle, leaving) = (table.count(.idle), table.leavingCount)
        require("I3", used <= configuration.max, "\(used) machines, max \(configuration.max)")
        require("I3", used == alive + leaving, "\(used) machines, \(alive) and \(leaving) leaving")
        require("I6", queue.isEmpty || idle == 0 && table.leastLoaded() == nil, "\(queue.count) wait beside capacity")
        let room = configuration.queueSize + configuration.max * configuration.concurrency
        require("I7", queue.count + inflight <= room, "\(queue.count) wait, \(inflight) in flight")
        let ends = totals.succeeded + totals.failed + totals.rejected + totals.aborted
        require(
            "I8", totals.requests == ends + inflight + queue.count,
            "\(totals.requests) accepted, \(ends) ended, \(inflight) in flight, \(queue.count) queued")
        require(
            "I14", retiring.map { table.isServing($0) } ?? true,
            "a machine is replaced that does not serve")
        require("I11", startsInFlight <= configuration.startsInFlight, "\(startsInFlight) starts in flight")
        if used > limit {
            let cold = table.count(.paused) + idle
            require("I15", cold == 0 || used - leaving <= limit, "\(used) machines, memory for \(limit)")
        }
        if let deadline = queue.nextDeadline {
            require("I16", deadline > clock.now, "a waiter is past its deadline")
            require("I16", scheduledWake.map { $0 <= deadline } ?? false, "no timer for the first deadline")
        }
        if !queue.isEmpty { require("I18", isLive, "\(queue.count) wait and nothing is coming") }
        return broken
    }

    /// What each machine and the counts of all of them must be.
    private func tableViolations() -> [String] {
        var broken: [String] = []
        func require(_ rule: String, _ holds: Bool, _ detail: @autoclosure () -> String) {
            if !holds { broken.append("\(rule): \(detail())") }
        }
        var inflight = 0
        var suspected = 0
        var counts = [Int](repeating: 0, count: MachineState.allCases.count)
        for slot in table.slots.indices {
            let load = table.slots[slot].inflight
            var name: String { "machine \(table.ref(slot))" }
            require("I1", load >= 0 && load <= configuration.concurrency, "\(name) holds \(load)")
            inflight += load
            guard let state = table.slots[slot].state else {
                require("I4", load == 0, "\(name) is free and holds \(load)")
                continue
            }
            counts[state.number] += 1
            if table.slots[slot].strikes >= Self.strikesAllowed { suspected += 1 }
            let holds = state == .busy || state == .draining
            require("I4", holds == (load > 0), "\(name) is \(state) and holds \(load)")
            let since = table.slots[slot].since
            if let longest = longest(state) {
                require("I18", clock.now - since < longest, "\(name) is \(state) for too long")
            }
            require("I12", since <= clock.now, "\(name) changed in the future")
        }
        require("I2", inflight == table.inflight, "\(table.inflight) leases counted, \(inflight) held")
        for state in MachineState.allCases {
            let count = counts[state.number]
            require("I10", count == table.count(state), "\(count) are \(state), \(table.count(state)) listed")
        }
        require("I14", suspects == suspected, "\(suspects) suspects, \(suspected) counted")
        return broken
    }

    /// Where requests wait: a queue that nothing serves must at least have a timer after which something may be started,
    /// or a machine that has to go first.
    private var isLive: Bool {
        let coming = serving + table.leavingCount
        if coming > 0 || limit == 0 { return true }
        return breaker.failures > 0 && breaker.nextPermit > clock.now
    }

    /// How many nanoseconds a machine may be in a state in which it waits for its driver.
    private func longest(_ state: MachineState) -> Int64? {
        switch state {
        case .booting, .restoring: startTimeout
        case .pausing, .resuming: transitionTimeout
        default: nil
        }
    }
}

extension MachineTable {
    func isServing(_ machine: MachineRef) -> Bool {
        slot(of: machine).map { !MachineState.leaving.contains(slots[$0].state) } ?? false
    }

    /// Machines that do not come back.
    var leavingCount: Int { count(.draining) + count(.stopping) + count(.failed) }
}

extension MachineState {
    fileprivate var number: Int {
        switch self {
        case .booting: 0
        case .restoring: 1
        case .idle: 2
        case .busy: 3
        case .pausing: 4
        case .paused: 5
        case .resuming: 6
        case .draining: 7
        case .stopping: 8
        case .failed: 9
        }
    }
}
