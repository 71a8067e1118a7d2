import Testing

@testable import MachinePool

/// Machines that work on so many requests at once and let the others wait inside, under a virtual clock.
private struct ServerWorld {
    var state: PoolState
    /// Requests a machine works on at once, and nanoseconds of one of them.
    var parallelism: Int
    var service: Double
    var isRandom = false
    private(set) var random: SplitMix64
    private(set) var now = PoolTime(nanoseconds: 1)
    private(set) var broken: [String] = []
    private(set) var answered = 0
    private var steps = 0
    private var ledger: PoolLedger
    private var tickets: UInt64 = 0
    private var events = EventHeap<Event>()
    private var waiting: [MachineRef: [PoolTime]] = [:]
    private var working: [MachineRef: Int] = [:]

    private enum Event {
        case done(MachineRef, granted: PoolTime)
        case timer
    }

    init(parallelism: Int, service: Double, seed: UInt64 = 1, _ change: (inout PoolConfiguration) -> Void = { _ in }) {
        self.parallelism = parallelism
        self.service = service
        random = SplitMix64(seed: seed)
        var configuration = PoolConfiguration()
        configuration.min = 1
        configuration.max = 1
        configuration.concurrency = 1000
        configuration.learnsConcurrency = true
        change(&configuration)
        state = PoolState(configuration: configuration)
        ledger = PoolLedger(concurrency: configuration.concurrency)
        apply(.timerFired)
    }

    var limit: Int { state.concurrency }

    /// Keeps `clients` asking, each when it has its answer, for so many seconds; the limit after each of them.
    @discardableResult
    mutating func run(clients: Int, seconds: Int) -> [Int] {
        var limits: [Int] = []
        let start = now
        while state.queue.count + state.table.inflight < clients { arrive() }
        while let (time, event) = events.pop() {
            while time - start >= Int64(limits.count + 1) * 1_000_000_000 { limits.append(limit) }
            now = max(now, time)
            switch event {
            case .timer: apply(.timerFired)
            case .done(let machine, let granted):
                answered += 1
                working[machine, default: 1] -= 1
                // Who waits in the machine comes before whoever is granted now.
                while working[machine, default: 0] < parallelism, let next = waiting[machine]?.first {
                    waiting[machine]?.removeFirst()
                    work(next, on: machine)
                }
                apply(.leaseEnded(machine, .ok, held: now - granted))
                while state.queue.count + state.table.inflight < clients { arrive() }
            }
            if limits.count >= seconds { break }
        }
        return limits
    }

    private mutating func arrive() {
        tickets += 1
        apply(.requestArrived(Ticket(number: tickets), priority: false))
    }

    private mutating func work(_ granted: PoolTime, on machine: MachineRef) {
        working[machine, default: 0] += 1
        // Exponential, or as good as fixed: two answers at the very same time would hide who came first.
        let factor = isRandom ? -Double.log(1 - random.unit()) : 1 + random.unit() / 100
        events.push(.done(machine, granted: granted), at: now + Int64(service * factor))
    }

    private mutating func apply(_ event: PoolEvent) {
        let actions = state.handle(event, at: now)
        broken += ledger.book(event, actions)
        steps += 1
        if steps.isMultiple(of: 10) { broken += state.violations() }
        for action in actions {
            switch action {
            case .start(let machine, _): apply(.machine(.ready(machine)))
            case .pause(let machine): apply(.machine(.paused(machine)))
            case .resume(let machine): apply(.machine(.resumed(machine)))
            case .stop(let machine, _): apply(.machine(.gone(machine)))
            case .wake(let time): events.push(.timer, at: time)
            case .grant(_, let grant):
                if state.table.slots[grant.machine.slot].inflight > state.concurrency { broken.append("I1: too many") }
                if working[grant.machine, default: 0] < parallelism {
                    work(now, on: grant.machine)
                } else {
                    waiting[grant.machine, default: []].append(now)
                }
            default: break
            }
        }
    }
}

extension Double {
    /// The natural logarithm, by its series: the tests need no C library for one function.
    fileprivate static func log(_ value: Double) -> Double {
        var (mantissa, exponent) = (value, 0.0)
        while mantissa < 0.5 { (mantissa, exponent) = (mantissa * 2, exponent - 1) }
        let ratio = (mantissa - 1) / (mantissa + 1)
        var (sum, power) = (0.0, ratio)
        for term in stride(from: 1.0, through: 31, by: 2) {
            sum += power / term
            power *= ratio * ratio
        }
        return 2 * sum + exponent * 0.693_147_180_559_945_3
    }
}

@Suite struct LearnedConcurrencyTests {
    private static let milliseconds = 1_000_000.0

    /// What a limit for `k` requests at once may be: enough to keep them busy, and a queue about the size of its root.
    private func near(_ k: Int) -> ClosedRange<Int> { max(1, k * 3 / 4)...(k * 3 / 2 + 2) }

    private func median(_ limits: some Collection<Int>) -> Int { limits.sorted()[limits.count / 2] }

    @Test(arguments: [1, 2, 4, 8, 16, 50], PolicyKind.allCases)
    func `the limit comes to what a machine works on at once`(k: Int, policy: PolicyKind) {
        // Whatever k is, 300 answers a second.
        var world = ServerWorld(parallelism: k, service: Double(k) / 300 * 1e9) { $0.policy = policy }
        let first = world.run(clients: 500, seconds: 20)
        let before = world.answered
        let limits = world.run(clients: 500, seconds: 40)
        #expect(near(k).contains(median(limits)), "\(first) \(limits)")
        // Nearly all that k lanes can do, probes included.
        #expect(world.answered - before > 40 * 300 * 93 / 100, "\(world.answered - before) answered: \(limits)")
        #expect(world.broken.isEmpty, "\(world.broken.prefix(3))")
    }

    @Test(arguments: UInt64(1)...6)
    func `the limit holds while requests take very different times`(seed: UInt64) {
        let k = [1, 3, 8, 20, 40, 64][Int(seed) - 1]
        var world = ServerWorld(parallelism: k, service: Double(k) / 300 * 1e9, seed: seed)
        world.isRandom = true
        let limits = world.run(clients: 500, seconds: 100)
        #expect((max(1, k / 2)...(k * 2 + 3)).contains(median(limits.suffix(50))), "seed \(seed), k \(k): \(limits)")
        #expect(world.broken.isEmpty, "\(world.broken.prefix(3))")
    }

    @Test func `an app that does half as much at once gets less, one that does more gets more`() {
        var world = ServerWorld(parallelism: 16, service: 50 * Self.milliseconds)
        world.run(clients: 400, seconds: 30)
        let before = world.limit
        world.parallelism = 4
        let worse = world.run(clients: 400, seconds: 60)
        #expect(worse[10] < before && near(4).contains(median(worse.suffix(30))), "\(before) then \(worse)")
        world.parallelism = 32
        let better = world.run(clients: 400, seconds: 90)
        #expect(near(32).contains(median(better.suffix(30))), "\(better)")
        #expect(world.broken.isEmpty, "\(world.broken.prefix(3))")
    }

    @Test func `latency that doubles lowers the limit until a probe shows that it is the app's own`() {
        var world = ServerWorld(parallelism: 16, service: 50 * Self.milliseconds)
        world.run(clients: 400, seconds: 30)
        let before = world.limit
        world.service *= 2
        let after = world.run(clients: 400, seconds: 90)
        #expect(after.prefix(15).min().map { $0 < before * 3 / 4 } ?? false, "\(before) then \(after)")
        #expect(near(16).contains(median(after.suffix(20))), "\(before) then \(after)")
    }

    @Test func `a limit that nobody comes near to stays where it is`() {
        var world = ServerWorld(parallelism: 50, service: 10 * Self.milliseconds)
        let limits = world.run(clients: 2, seconds: 60)
        #expect(limits.allSatisfy { $0 == 4 }, "\(limits)")
    }

    @Test(arguments: PolicyKind.allCases) func `many machines share one limit`(policy: PolicyKind) {
        var world = ServerWorld(parallelism: 8, service: 200 * Self.milliseconds) {
            $0.max = 12
            $0.policy = policy
        }
        let limits = world.run(clients: 400, seconds: 60)
        #expect(near(8).contains(median(limits.suffix(30))), "\(limits)")
        #expect(world.state.table.count(.busy) == 12)
        #expect(world.broken.isEmpty, "\(world.broken.prefix(3))")
    }

    @Test func `soft concurrency stays below what was learned`() {
        var world = ServerWorld(parallelism: 8, service: 10 * Self.milliseconds) { $0.softConcurrency = 2 }
        world.run(clients: 100, seconds: 20)
        #expect(world.state.softConcurrency == 2 && world.limit > 4)
        #expect(world.state.table.slots[0].inflight > 4)
    }
}
