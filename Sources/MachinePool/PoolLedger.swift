/// Watches a pool from outside, through its events and actions alone, and keeps its own books.
///
/// It shares no code with the reducer, so that a mistake there cannot hide. The running pool feeds it, and so do the
/// tests, the simulator and the replay of a recorded run. A step takes constant time, its memory does not grow.
package struct PoolLedger: Sendable {
    private enum Phase: Sendable { case starting, up, pausing, paused, resuming, stopping }

    private struct Machine: Sendable {
        let generation: UInt64
        var phase: Phase
        var leases = 0
        var restores = false
    }

    private let concurrency: Int
    /// By slot.
    private var machines: [Machine?] = []
    private var generation: UInt64 = 0
    private var urgent = Lane()
    private var normal = Lane()
    private var waiting: [Ticket: Bool] = [:]
    /// The request that this step is about; it waits only if the step leaves it without an answer, which few do.
    private var arriving: (ticket: Ticket, priority: Bool)?
    private var mayRestore = false
    private var drained = false
    private var broken: [String] = []

    package init(concurrency: Int) { self.concurrency = concurrency }

    /// Books one step; returns the rules it broke.
    package mutating func book(_ event: PoolEvent, _ actions: [PoolAction]) -> [String] {
        book(event)
        for action in actions { book(action) }
        settleArrival()
        guard !broken.isEmpty else { return [] }
        defer { broken = [] }
        return broken
    }

    /// Machines that hold a slot, and leases that are out.
    package var machineCount: Int { machines.count { $0 != nil } }
    package var leaseCount: Int { machines.reduce(0) { $0 + ($1?.leases ?? 0) } }
    package var waitingCount: Int { waiting.count }

    private mutating func book(_ event: PoolEvent) {
        switch event {
        case .requestArrived(let ticket, let priority):
            arriving = (ticket, priority)
        case .requestCancelled(let ticket): waiting[ticket] = nil
        case .leaseEnded(let machine, _, _):
            if let leases = self[machine]?.leases, leases > 0 { machines[machine.slot]?.leases = leases - 1 }
        case .machine(let event): book(event)
        case .snapshotAvailable(let available): mayRestore = available
        case .requestExpected, .memoryBudget, .timerFired, .drainStarted: break
        }
    }

    private mutating func book(_ event: MachineEvent) {
        switch event {
        case .ready(let machine): advance(machine, from: .starting, to: .up)
        case .paused(let machine): advance(machine, from: .pausing, to: .paused)
        case .resumed(let machine): advance(machine, from: .resuming, to: .up)
        case .failed(let machine, _):
            doubt(machine)
            if self[machine] != nil { machines[machine.slot]?.leases = 0 }
        case .gone(let machine, _):
            doubt(machine)
            if self[machine] != nil { machines[machine.slot] = nil }
        }
    }

    /// The books of this very incarnation of a machine.
    private subscript(_ machine: MachineRef) -> Machine? {
        guard machines.indices.contains(machine.slot), let entry = machines[machine.slot],
            entry.generation == machine.generation
        else { return nil }
        return entry
    }

    /// A restore that failed: the snapshot may not be used again until it is announced again.
    private mutating func doubt(_ machine: MachineRef) {
        if let entry = self[machine], entry.phase == .starting, entry.restores { mayRestore = false }
    }

    private mutating func advance(_ machine: MachineRef, from: Phase, to phase: Phase) {
        if self[machine]?.phase == from { machines[machine.slot]?.phase = phase }
    }

    private mutating func book(_ action: PoolAction) {
        switch action {
        case .grant(let ticket, let grant): book(grant, to: ticket)
        case .reject(let ticket, _): answer(ticket)
        case .start(let machine, let method): book(machine, method)
        case .pause(let machine):
            require("I4", self[machine]?.leases == 0, "\(machine) is paused with a lease")
            move(machine, [.up], .pausing, "pause")
        case .resume(let machine): move(machine, [.paused], .resuming, "resume")
        case .stop(let machine, let reason):
            if reason == .failed { doubt(machine) }
            move(machine, [.starting, .up, .pausing, .paused, .resuming], .stopping, "stop")
            if self[machine] != nil { machines[machine.slot]?.leases = 0 }
        case .drained:
            let left = machineCount
            require("I13", left == 0 && waiting.isEmpty, "\(left) machines after the drain")
            require("I13", !drained, "two ends of a drain")
            drained = true
        case .wake, .circuit: break
        }
    }

    private mutating func book(_ machine: MachineRef, _ method: StartMethod) {
        while machines.count <= machine.slot { machines.append(nil) }
        require("I10", machines[machine.slot] == nil, "slot \(machine.slot) is in use")
        require("I10", machine.generation > generation, "generation \(machine.generation) is not new")
        require("I13", !drained, "a start after the drain")
        require("F12", method == .boot || mayRestore, "a restore without a snapshot")
        generation = max(generation, machine.generation)
        machines[machine.slot] = Machine(
            generation: machine.generation, phase: .starting, restores: method == .restore)
    }

    private mutating func book(_ grant: PoolGrant, to ticket: Ticket) {
        let priority = priority(of: ticket)
        let first = first
        require("I9", first == ticket, "\(ticket.number) overtakes \(first?.number ?? 0), priority \(priority)")
        answer(ticket)
        guard let machine = self[grant.machine] else {
            return require("I12", false, "a lease on \(grant.machine), which is gone")
        }
        require("I17", machine.phase == .up, "a lease on \(grant.machine), which is \(machine.phase)")
        require("I1", machine.leases < concurrency, "\(grant.machine) gets lease \(machine.leases + 1)")
        machines[grant.machine.slot]?.leases += 1
    }

    /// Who has waited longest of those that go first.
    private var first: Ticket? {
        mutating get {
            if let ticket = urgent.first(in: waiting) { return ticket }
            if let arriving, arriving.priority { return arriving.ticket }
            return normal.first(in: waiting) ?? arriving?.ticket
        }
    }

    private func priority(of ticket: Ticket) -> Bool {
        arriving?.ticket == ticket ? arriving?.priority ?? false : waiting[ticket] ?? false
    }

    /// A request that got no answer in the step that brought it waits from now on.
    private mutating func settleArrival() {
        guard let (ticket, priority) = arriving else { return }
        arriving = nil
        waiting[ticket] = priority
        if priority { urgent.append(ticket) } else { normal.append(ticket) }
    }

    /// A ticket that was answered does not wait any more: a second answer breaks the same rule.
    private mutating func answer(_ ticket: Ticket) {
        if arriving?.ticket == ticket {
            arriving = nil
            return
        }
        require("I5", waiting.removeValue(forKey: ticket) != nil, "\(ticket.number) is answered without waiting")
    }

    private mutating func move(_ machine: MachineRef, _ from: [Phase], _ phase: Phase, _ name: String) {
        let current = self[machine]?.phase
        let legal = current.map { from.contains($0) } ?? false
        require("I12", legal, "\(name) of \(machine) while \(current.map { "\($0)" } ?? "gone")")
        if current != nil { machines[machine.slot]?.phase = phase }
    }

    private mutating func require(_ rule: String, _ holds: Bool, _ detail: @autoclosure () -> String) {
        if !holds { broken.append("\(rule): \(detail())") }
    }

    /// Tickets in the order of their arrival; those that no longer wait are skipped.
    private struct Lane: Sendable {
        private var tickets: [Ticket] = []
        private var head = 0

        mutating func append(_ ticket: Ticket) { tickets.append(ticket) }

        mutating func first(in waiting: [Ticket: Bool]) -> Ticket? {
            while head < tickets.count, waiting[tickets[head]] == nil { head += 1 }
            if head > 64, head * 2 > tickets.count {
                tickets.removeFirst(head)
                head = 0
            }
            return head < tickets.count ? tickets[head] : nil
        }
    }
}
