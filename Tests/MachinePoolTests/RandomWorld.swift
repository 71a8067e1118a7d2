@testable import MachinePool

/// A world that does to a pool whatever can be done: drivers that are slow, fail, repeat themselves or speak of machines
/// long gone, clients that leave, clocks that jump.
struct RandomWorld {
    private(set) var state: PoolState
    private(set) var random: SplitMix64
    private var ledger: PoolLedger
    private var time = PoolTime(nanoseconds: 1)
    private var tickets: UInt64 = 0
    private var waiting: [Ticket] = []
    private var leases: [MachineRef] = []
    /// What the driver was told and has not answered.
    private var open: [PoolAction] = []
    private var seen: [MachineRef] = []
    private var wake: PoolTime?
    /// The request that came when all was well again.
    private var patient: Ticket?
    private(set) var isDrained = false
    private(set) var failures: [String] = []
    private(set) var log: [String] = []
    let keepsLog: Bool
    /// The run as `serve --event-log` would record it.
    let recorder: PoolRecorder?

    init(seed: UInt64, keepsLog: Bool = false, recorder: PoolRecorder? = nil) {
        self.recorder = recorder
        var random = SplitMix64(seed: seed)
        let configuration = Self.configuration(&random)
        state = PoolState(configuration: configuration)
        ledger = PoolLedger(concurrency: state.configuration.concurrency)
        self.random = random
        self.keepsLog = keepsLog
    }

    private static func configuration(_ random: inout SplitMix64) -> PoolConfiguration {
        var configuration = PoolConfiguration()
        configuration.max = 1 + random.below(6)
        configuration.min = random.below(configuration.max + 1)
        configuration.concurrency = [1, 1, 2, 3, 70][random.below(5)]
        if random.chance(0.3) { configuration.softConcurrency = 1 + random.below(configuration.concurrency) }
        configuration.learnsConcurrency = configuration.concurrency > 1 && random.chance(0.3)
        configuration.policy = PolicyKind.allCases[random.below(3)]
        configuration.queueSize = random.below(8)
        configuration.startsInFlight = 1 + random.below(3)
        configuration.standby = random.chance(0.3) ? random.below(3) : 0
        configuration.pauses = random.chance(0.85)
        if random.chance(0.3) { configuration.maxRequests = 1 + random.below(6) }
        if random.chance(0.3) { configuration.maxAge = .seconds(20 + random.below(100)) }
        if random.chance(0.2) { configuration.memoryBudget = configuration.machineMemory * Int64(1 + random.below(6)) }
        return configuration
    }

    mutating func run(steps: Int) {
        for _ in 0..<steps where failures.isEmpty { step() }
        if failures.isEmpty { settle() }
        if failures.isEmpty { drain() }
    }

    private mutating func step() {
        pass(random.below(100) < 90 ? Int64(random.below(400_000_000)) : Int64(random.below(400)) * 1_000_000_000)
        switch random.below(100) {
        case 0..<30: arrive(priority: random.chance(0.1))
        case 30..<35: leave()
        case 35..<58: endLease(random.chance(0.85) ? .ok : [.upstreamFailed, .unreachable, .aborted][random.below(3)])
        case 58..<88: answer(healthy: random.chance(0.85))
        case 88..<90: crash()
        case 90..<93: repeatOldEvent()
        case 93..<94: apply(.requestExpected)
        case 94..<95: apply(.snapshotAvailable(random.chance(0.7)))
        case 95..<96 where random.chance(0.3):
            apply(.memoryBudget(random.chance(0.3) ? nil : state.configuration.machineMemory * Int64(random.below(7))))
        case 96..<97: time.nanoseconds -= Int64(random.below(3)) * 3_600_000_000_000
        case 97..<98: time.nanoseconds += Int64(random.below(3)) * 3_600_000_000_000
        default: apply(.timerFired)
        }
    }

    /// Lets time pass and the timer fire on the way, as the shell would.
    private mutating func pass(_ span: Int64) {
        let end = time + span
        var fired = 0
        while let due = wake, due <= end, fired < 50 {
            time = max(time, due)
            wake = nil
            apply(.timerFired)
            fired += 1
        }
        time = max(time, end)
    }

    private mutating func arrive(priority: Bool) {
        tickets += 1
        let ticket = Ticket(number: tickets)
        waiting.append(ticket)
        apply(.requestArrived(ticket, priority: priority))
    }

    private mutating func leave() {
        guard !waiting.isEmpty else { return }
        let ticket = waiting.remove(at: random.below(waiting.count))
        apply(.requestCancelled(ticket))
    }

    private mutating func endLease(_ outcome: LeaseOutcome) {
        guard !leases.isEmpty else { return }
        let machine = leases.remove(at: random.below(leases.count))
        apply(.leaseEnded(machine, outcome, held: Int64(random.below(1_000_000_000))))
    }

    private mutating func answer(healthy: Bool) {
        guard !open.isEmpty else { return }
        let action = open.remove(at: random.below(open.count))
        switch action {
        case .start(let machine, _): apply(.machine(healthy ? .ready(machine) : .failed(machine, reason: "no answer")))
        case .pause(let machine): apply(.machine(healthy ? .paused(machine) : .failed(machine, reason: "pause")))
        case .resume(let machine): apply(.machine(healthy ? .resumed(machine) : .failed(machine, reason: "resume")))
        case .stop(let machine, _): apply(.machine(.gone(machine)))
        default: break
        }
    }

    private mutating func crash() {
        guard let machine = seen.last, !seen.isEmpty else { return }
        let victim = random.chance(0.5) ? machine : seen[max(0, seen.count - 1 - random.below(6))]
        apply(.machine(random.chance(0.5) ? .gone(victim, reason: "killed") : .failed(victim, reason: "killed")))
    }

    private mutating func kill(_ machine: MachineRef) { apply(.machine(.gone(machine, reason: "killed"))) }

    private mutating func repeatOldEvent() {
        guard !seen.isEmpty else { return }
        let machine = seen[random.below(seen.count)]
        // Of machines that are current only what the driver may say is said.
        guard !state.isKnown(machine) else { return }
        let events: [MachineEvent] = [
            .ready(machine), .paused(machine), .resumed(machine), .failed(machine, reason: "late"), .gone(machine),
        ]
        apply(.machine(events[random.below(events.count)]))
        if random.chance(0.3) { apply(.leaseEnded(machine, .ok, held: 1)) }
    }

    mutating func apply(_ event: PoolEvent) {
        let actions = state.handle(event, at: time)
        recorder?.record(event, actions, at: time)
        if keepsLog { log.append("\(time.nanoseconds) \(event) → \(actions)") }
        failures += state.violations()
        failures += ledger.book(event, actions)
        for action in actions {
            switch action {
            case .grant(let ticket, let grant):
                waiting.removeAll { $0 == ticket }
                leases.append(grant.machine)
                if state.table.slots[grant.machine.slot].inflight > state.concurrency {
                    failures.append("I1: \(grant.machine) holds more than the \(state.concurrency) that were learned")
                }
            case .reject(let ticket, let rejection):
                waiting.removeAll { $0 == ticket }
                if case .queueTimeout = rejection, ticket == patient {
                    failures.append("I18: \(ticket.number) waited in vain, \(state.breaker)")
                }
            case .start(let machine, _):
                seen.append(machine)
                if state.table.used > state.limit { failures.append("I15: a start beyond the memory budget") }
                open.append(action)
            case .pause, .resume: open.append(action)
            case .stop: open.append(action)
            case .wake(let due): wake = due
            case .drained: isDrained = true
            case .circuit: break
            }
        }
        if leases.count != ledger.leaseCount, leases.count < ledger.leaseCount {
            failures.append("I2: a lease is lost")
        }
    }

    /// From now on every start but one succeeds and every lease ends: then nobody may be left waiting (I18).
    private mutating func settle() {
        apply(.memoryBudget(nil))
        // All machines are lost at once: who comes now depends on starts alone.
        if random.chance(0.2) { for machine in seen where state.isKnown(machine) { kill(machine) } }
        // Who comes now is served within the time-out, or told at once that machines do not stay up.
        patient = Ticket(number: tickets + 1)
        arrive(priority: false)
        // One start more may fail: the next is then allowed after a delay, which somebody has to look for.
        if random.chance(0.3), !open.isEmpty { answer(healthy: false) }
        var rounds = 0
        while !state.queue.isEmpty || !leases.isEmpty || !open.isEmpty, rounds < 400, failures.isEmpty {
            while !open.isEmpty { answer(healthy: true) }
            while !leases.isEmpty { endLease(.ok) }
            // No further than the timer: nobody may be served only because the others gave up.
            pass(200_000_000)
            rounds += 1
        }
        if !state.queue.isEmpty {
            failures.append("I18: \(state.queue.count) wait for ever, \(state.breaker) \(state.configuration)")
        }
        let lasting = state.table.used
        if lasting > state.configuration.max { failures.append("I3: \(lasting) machines at rest") }
        quieten()
    }

    /// Without load the pool comes down to `min`, within idle + scale-down and the time the reaper takes (I14).
    private mutating func quieten() {
        guard failures.isEmpty else { return }
        var started = seen.count
        for second in 0..<400 {
            if second == 60 { started = seen.count }
            pass(1_000_000_000)
            while !open.isEmpty { answer(healthy: true) }
        }
        let configuration = state.configuration
        let replaces = configuration.maxAge != nil || configuration.policy == .forecast
        if !replaces, seen.count > started { failures.append("I14: \(seen.count - started) starts at rest") }
        let rest = max(configuration.min, min(configuration.max, configuration.standby))
        // A forecast may be waiting for a surge that it expects: two periods of an hour at most.
        for _ in 0..<7200 where configuration.policy == .forecast && state.table.used > rest {
            pass(1_000_000_000)
            while !open.isEmpty { answer(healthy: true) }
        }
        if state.table.used < configuration.min || state.table.used > rest + (configuration.maxAge == nil ? 0 : 1) {
            failures.append("I14: \(state.table.used) machines at rest, \(configuration)")
        }
    }

    private mutating func drain() {
        for _ in 0..<random.below(4) { arrive(priority: false) }
        apply(.drainStarted(deadline: .seconds(random.below(20))))
        // Some requests never end: the deadline has to.
        let stuck = random.chance(0.3)
        for _ in 0..<400 where !isDrained && failures.isEmpty {
            if random.chance(0.5) { answer(healthy: random.chance(0.8)) }
            if !stuck, random.chance(0.3) { endLease(.ok) }
            if random.chance(0.2) { arrive(priority: false) }
            pass(200_000_000)
        }
        if !isDrained { failures.append("I13: the drain does not end: \(state.table.used) machines") }
    }
}
