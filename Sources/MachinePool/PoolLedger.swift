/// Watches a pool from outside, through its events and actions alone, and keeps its own books.
///
/// It shares no code with the reducer, so that a mistake there cannot hide. The tests, the simulator and the replay of a
/// recorded run feed it.
package struct PoolLedger: Sendable {
    private enum Phase: Sendable { case starting, up, pausing, paused, resuming, stopping }

    private struct Machine: Sendable {
        var phase: Phase
        var leases = 0
        var restores = false
    }

    private let concurrency: Int
    private var machines: [MachineRef: Machine] = [:]
    private var slots: [Int: MachineRef] = [:]
    private var generation: UInt64 = 0
    private var urgent = Lane()
    private var normal = Lane()
    private var waiting: [Ticket: Bool] = [:]
    private var answered: Set<Ticket> = []
    private var mayRestore = false
    private var drained = false
    private var broken: [String] = []

    package init(concurrency: Int) { self.concurrency = concurrency }

    /// Books one step; returns the rules it broke.
    package mutating func book(_ event: PoolEvent, _ actions: [PoolAction]) -> [String] {
        broken = []
        book(event)
        for action in actions { book(action) }
        return broken
    }

    /// Machines that hold a slot, and leases that are out.
    package var machineCount: Int { machines.count }
    package var leaseCount: Int { machines.values.reduce(0) { $0 + $1.leases } }
    package var waitingCount: Int { waiting.count }

    private mutating func book(_ event: PoolEvent) {
        switch event {
        case .requestArrived(let ticket, let priority):
            waiting[ticket] = priority
            if priority { urgent.tickets.append(ticket) } else { normal.tickets.append(ticket) }
        case .requestCancelled(let ticket): waiting[ticket] = nil
        case .leaseEnded(let machine, _, _):
            if let leases = machines[machine]?.leases, leases > 0 { machines[machine]?.leases = leases - 1 }
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
            machines[machine]?.leases = 0
            doubt(machine)
        case .gone(let machine, _):
            doubt(machine)
            if machines.removeValue(forKey: machine) != nil { slots[machine.slot] = nil }
        }
    }

    /// A restore that failed: the snapshot may not be used again until it is announced again.
    private mutating func doubt(_ machine: MachineRef) {
        if let entry = machines[machine], entry.phase == .starting, entry.restores { mayRestore = false }
    }

    private mutating func advance(_ machine: MachineRef, from: Phase, to phase: Phase) {
        if machines[machine]?.phase == from { machines[machine]?.phase = phase }
    }

    private mutating func book(_ action: PoolAction) {
        switch action {
        case .grant(let ticket, let grant): book(grant, to: ticket)
        case .reject(let ticket, _): answer(ticket)
        case .start(let machine, let method):
            require("I10", slots[machine.slot] == nil, "slot \(machine.slot) is in use")
            require("I10", machine.generation > generation, "generation \(machine.generation) is not new")
            require("I13", !drained, "a start after the drain")
            require("F12", method == .boot || mayRestore, "a restore without a snapshot")
            generation = max(generation, machine.generation)
            machines[machine] = Machine(phase: .starting, restores: method == .restore)
            slots[machine.slot] = machine
        case .pause(let machine):
            require("I4", machines[machine]?.leases == 0, "\(machine) is paused with a lease")
            move(machine, [.up], .pausing, "pause")
        case .resume(let machine): move(machine, [.paused], .resuming, "resume")
        case .stop(let machine, let reason):
            if reason == .failed { doubt(machine) }
            move(machine, [.starting, .up, .pausing, .paused, .resuming], .stopping, "stop")
            machines[machine]?.leases = 0
        case .drained:
            let left = machines.count
            require("I13", left == 0 && waiting.isEmpty, "\(left) machines after the drain")
            require("I13", !drained, "two ends of a drain")
            drained = true
        case .wake, .circuit: break
        }
    }

    private mutating func book(_ grant: PoolGrant, to ticket: Ticket) {
        let priority = waiting[ticket] ?? false
        let first = urgent.first(in: waiting) ?? normal.first(in: waiting)
        require("I9", first == ticket, "\(ticket.number) overtakes \(first?.number ?? 0), priority \(priority)")
        answer(ticket)
        guard let machine = machines[grant.machine] else {
            return require("I12", false, "a lease on \(grant.machine), which is gone")
        }
        require("I17", machine.phase == .up, "a lease on \(grant.machine), which is \(machine.phase)")
        require("I1", machine.leases < concurrency, "\(grant.machine) gets lease \(machine.leases + 1)")
        machines[grant.machine]?.leases += 1
    }

    private mutating func answer(_ ticket: Ticket) {
        require("I5", waiting.removeValue(forKey: ticket) != nil, "\(ticket.number) is answered without waiting")
        require("I8", answered.insert(ticket).inserted, "\(ticket.number) is answered twice")
    }

    private mutating func move(_ machine: MachineRef, _ from: [Phase], _ phase: Phase, _ name: String) {
        let current = machines[machine]?.phase
        let legal = current.map { from.contains($0) } ?? false
        require("I12", legal, "\(name) of \(machine) while \(current.map { "\($0)" } ?? "gone")")
        machines[machine]?.phase = phase
    }

    private mutating func require(_ rule: String, _ holds: Bool, _ detail: @autoclosure () -> String) {
        guard !holds else { return }
        let line = "\(rule): \(detail())"
        broken.append(line)
    }

    /// Tickets in the order of their arrival; those that no longer wait are skipped.
    private struct Lane: Sendable {
        var tickets: [Ticket] = []
        var head = 0

        mutating func first(in waiting: [Ticket: Bool]) -> Ticket? {
            while head < tickets.count, waiting[tickets[head]] == nil { head += 1 }
            return head < tickets.count ? tickets[head] : nil
        }
    }
}
