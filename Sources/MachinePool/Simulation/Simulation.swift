/// The world of a simulated run: how long things take and what goes wrong.
package struct SimulationSettings: Sendable {
    package var cold: Duration = .milliseconds(1500)
    package var restore: Duration = .milliseconds(20)
    package var resume: Duration = .milliseconds(1)
    package var pause: Duration = .milliseconds(2)
    package var stop: Duration = .zero
    /// A start takes its time ± this share of it.
    package var spread = 0.1
    /// Whether the first machine that boots leaves a snapshot from which others are restored.
    package var snapshots = true
    /// Chance that a start fails, and that a request kills its machine.
    package var startFailures = 0.0
    package var crashes = 0.0
    package var seed: UInt64 = 1
    /// Checks every invariant after every step; slow.
    package var checks = false

    package init() {}
}

/// Runs the reducer against a trace under a virtual clock.
package struct Simulation {
    private enum Event {
        case arrival(Int, retry: Bool)
        case leave(Int)
        case complete(Int, MachineRef)
        case crash(MachineRef)
        case machine(MachineEvent)
        case timer
    }

    private struct Machine {
        var since: PoolTime
        var pausedAt: PoolTime?
        var paused: Int64 = 0
        var requests: Set<Int> = []
    }

    private let trace: SimulationTrace
    private let settings: SimulationSettings
    private var state: PoolState
    private var ledger: PoolLedger
    private var random: SplitMix64
    private var events = EventHeap<Event>()
    private var now = PoolTime.zero
    private var machines: [MachineRef: Machine] = [:]
    private var tickets: [Ticket: Int] = [:]
    private var ticketOf: [Int: Ticket] = [:]
    private var lastTicket: UInt64 = 0
    private var arrivedAt: [Int: PoolTime] = [:]
    private var open: Int
    private var booted = false
    private var starts: [StartKind: Int] = [:]
    private var waits: [Double] = []
    private var lived: (total: Int64, paused: Int64) = (0, 0)
    private var result = SimulationResult()

    /// The result of one policy on one trace; the same arguments give the same result.
    package static func run(
        _ trace: SimulationTrace, _ configuration: PoolConfiguration, _ settings: SimulationSettings
    ) -> SimulationResult {
        var simulation = Simulation(trace, configuration, settings)
        return simulation.run()
    }

    private init(_ trace: SimulationTrace, _ configuration: PoolConfiguration, _ settings: SimulationSettings) {
        self.trace = trace
        self.settings = settings
        state = PoolState(configuration: configuration)
        ledger = PoolLedger(concurrency: state.configuration.concurrency)
        random = SplitMix64(seed: settings.seed)
        open = trace.requests.count
        result.requests = open
    }

    private mutating func run() -> SimulationResult {
        for (index, request) in trace.requests.enumerated() {
            events.push(.arrival(index, retry: false), at: PoolTime(nanoseconds: Int64(request.arrival * 1e9)))
        }
        decide(.timerFired)
        var course = CourseRecorder(trace)
        while open > 0, let (time, event) = events.pop() {
            now = time
            take(event)
            result.peakMachines = max(result.peakMachines, machines.count)
            course.record(Double(now.nanoseconds) / 1e9, machines: machines.count, waiting: tickets.count)
        }
        for machine in machines.values { bury(machine) }
        result.course = course.points
        waits.sort()
        result.waitP50 = SimulationResult.percentile(0.5, of: waits)
        result.waitP99 = SimulationResult.percentile(0.99, of: waits)
        let granted = Double(max(1, waits.count))
        result.coldShare = Double(starts[.booted] ?? 0) / granted
        result.restoreShare = Double(starts[.restored] ?? 0) / granted
        result.machineSeconds = Double(lived.total) / 1e9
        result.runningSeconds = Double(lived.total - lived.paused) / 1e9
        return result
    }

    private mutating func take(_ event: Event) {
        switch event {
        case .arrival(let index, let retry): arrive(index, retry: retry)
        case .leave(let index):
            guard let ticket = ticketOf.removeValue(forKey: index), tickets.removeValue(forKey: ticket) != nil else {
                return
            }
            result.aborted += 1
            open -= 1
            decide(.requestCancelled(ticket))
        case .complete(let index, let machine):
            guard machines[machine]?.requests.remove(index) != nil else { return }
            open -= 1
            decide(.leaseEnded(machine, .ok, held: Int64(trace.requests[index].service * 1e9)))
        case .crash(let machine):
            guard let victims = machines[machine]?.requests else { return }
            end(machine)
            decide(.machine(.gone(machine, reason: "crashed")))
            // Requests that lost their machine ask again, ahead of the others.
            for index in victims.sorted() { take(.arrival(index, retry: true)) }
        case .machine(let event): answer(event)
        case .timer: decide(.timerFired)
        }
    }

    private mutating func arrive(_ index: Int, retry: Bool) {
        lastTicket += 1
        let ticket = Ticket(number: lastTicket)
        tickets[ticket] = index
        ticketOf[index] = ticket
        if !retry { arrivedAt[index] = now }
        if let patience = trace.requests[index].patience, !retry {
            events.push(.leave(index), at: now + Int64(patience * 1e9))
        }
        decide(.requestArrived(ticket, priority: retry))
    }

    private mutating func answer(_ event: MachineEvent) {
        switch event {
        case .paused(let machine): machines[machine]?.pausedAt = now
        case .gone(let machine, _): end(machine)
        case .ready where !booted && settings.snapshots:
            booted = true
            decide(.machine(event))
            return decide(.snapshotAvailable(true))
        default: break
        }
        decide(.machine(event))
    }

    private mutating func decide(_ event: PoolEvent) {
        let actions = state.handle(event, at: now)
        if settings.checks, result.violations.count < 10 {
            result.violations += state.violations() + ledger.book(event, actions)
        }
        for action in actions { perform(action) }
    }

    private mutating func perform(_ action: PoolAction) {
        switch action {
        case .grant(let ticket, let grant):
            guard let index = tickets.removeValue(forKey: ticket) else { return }
            ticketOf[index] = nil
            waits.append(Double(now - (arrivedAt[index] ?? now)) / 1e6)
            starts[grant.startKind, default: 0] += 1
            machines[grant.machine]?.requests.insert(index)
            events.push(.complete(index, grant.machine), at: now + Int64(trace.requests[index].service * 1e9))
            if settings.crashes > 0, random.chance(settings.crashes) {
                let part = trace.requests[index].service * random.unit()
                events.push(.crash(grant.machine), at: now + Int64(part * 1e9))
            }
        case .reject(let ticket, _):
            guard let index = tickets.removeValue(forKey: ticket) else { return }
            ticketOf[index] = nil
            result.shed += 1
            open -= 1
        case .start(let machine, let method):
            machines[machine] = Machine(since: now)
            let fails = settings.startFailures > 0 && random.chance(settings.startFailures)
            let event: MachineEvent = fails ? .failed(machine, reason: "simulated") : .ready(machine)
            events.push(.machine(event), at: after(method == .boot ? settings.cold : settings.restore))
        case .pause(let machine): events.push(.machine(.paused(machine)), at: after(settings.pause))
        case .resume(let machine):
            if let since = machines[machine]?.pausedAt {
                machines[machine]?.paused += now - since
                machines[machine]?.pausedAt = nil
            }
            events.push(.machine(.resumed(machine)), at: after(settings.resume))
        case .stop(let machine, _): events.push(.machine(.gone(machine)), at: after(settings.stop))
        case .wake(let time): events.push(.timer, at: max(time, now))
        case .circuit, .drained: break
        }
    }

    private mutating func after(_ duration: Duration) -> PoolTime {
        let span = Double(duration.nanoseconds)
        return now + Int64(span * (1 + settings.spread * (2 * random.unit() - 1)))
    }

    private mutating func end(_ machine: MachineRef) {
        if let ended = machines.removeValue(forKey: machine) { bury(ended) }
    }

    private mutating func bury(_ machine: Machine) {
        lived.total += now - machine.since
        lived.paused += machine.paused + (machine.pausedAt.map { now - $0 } ?? 0)
    }
}
