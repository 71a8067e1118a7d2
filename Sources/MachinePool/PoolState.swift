/// Which machine serves which request, and how many machines there are: a pure state machine.
///
/// `handle` takes an event and the time and returns what to do. It reads no clock, does no I/O and never waits, so the
/// gateway and the simulator run the same code. `Pool` is the shell around it.
package struct PoolState: Sendable {
    package let configuration: PoolConfiguration
    package var totals = PoolTotals()
    var table: MachineTable
    var queue = RequestQueue()
    var breaker: CircuitBreaker
    var policy: ScalingPolicy
    var target: ScaleTarget?
    var clock = PoolClock()
    var serviceTime: MovingMean
    var memoryBudget: Int64?
    var mayRestore = false
    var draining = false
    var drainDeadline: PoolTime?
    var drainedSent = false
    /// Machines by the time they became ready, oldest first; entries of machines that are gone are skipped.
    var births = BirthOrder()
    /// The machine that leaves as soon as another one has taken its place.
    var retiring: MachineRef?
    var suspects = 0
    /// Why the last machine was lost that was not told to end.
    var lastFailure = ""
    var nextReap = PoolTime.zero
    /// Until then the reserve is not filled up.
    var spareDue = PoolTime.zero
    var scheduledWake: PoolTime?
    /// One request more than there are is reckoned with, in this step alone.
    var isExpecting = false
    var actions: [PoolAction] = []

    let queueTimeout: Int64
    let idleTimeout: Int64
    let scaleDown: Int64
    let startTimeout: Int64
    let transitionTimeout: Int64
    /// Nil: the limit is `configuration.concurrency`.
    var learned: LearnedConcurrency?
    /// Requests one machine may hold: as configured, or as learned so far.
    private(set) var concurrency: Int
    /// Requests a machine should hold.
    private(set) var softConcurrency: Int

    package init(configuration: PoolConfiguration) {
        let configuration = configuration.normalized()
        self.configuration = configuration
        table = MachineTable(slots: configuration.max, concurrency: configuration.concurrency)
        concurrency = configuration.concurrency
        softConcurrency = min(configuration.softConcurrency ?? .max, configuration.concurrency)
        breaker = CircuitBreaker(limits: configuration.breaker)
        policy = ScalingPolicy(configuration)
        serviceTime = MovingMean(weight: 0.1)
        memoryBudget = configuration.memoryBudget
        queueTimeout = configuration.queueTimeout.nanoseconds
        idleTimeout = configuration.idleTimeout.nanoseconds
        scaleDown = configuration.scaleDown.nanoseconds
        startTimeout = configuration.startTimeout.nanoseconds
        transitionTimeout = configuration.transitionTimeout.nanoseconds
        if configuration.learnsConcurrency {
            learned = LearnedConcurrency(most: configuration.concurrency)
            followLearned()
        }
    }

    /// Makes what was learned hold everywhere.
    mutating func followLearned() {
        guard configuration.learnsConcurrency, let learned else { return }
        table.cap = learned.cap
        concurrency = learned.limit
        softConcurrency = min(configuration.softConcurrency ?? .max, concurrency)
        policy.follow(soft: softConcurrency, hard: concurrency)
    }

    /// Applies one event that happened at `stamp` and returns what is to be done about it.
    package mutating func handle(_ event: PoolEvent, at stamp: PoolTime) -> [PoolAction] {
        step(event, at: stamp)
        defer { actions.removeAll(keepingCapacity: false) }
        return actions
    }

    /// As `handle`; what is to be done stays in `actions`, which the caller empties.
    mutating func step(_ event: PoolEvent, at stamp: PoolTime) {
        let (now, jumped) = clock.advance(to: stamp, wake: scheduledWake)
        if jumped { scheduledWake = nil }
        policy.observe(queued: queue.count, inflight: table.inflight, alive: alive, until: now)
        switch event {
        case .requestArrived(let ticket, let priority): arrive(ticket, priority: priority, at: now)
        case .requestExpected: isExpecting = true
        case .requestCancelled(let ticket): cancel(ticket)
        case .leaseEnded(let machine, let outcome, let held): endLease(machine, outcome, held: held, at: now)
        case .machine(let event): apply(event, at: now)
        case .snapshotAvailable(let available): mayRestore = available
        case .memoryBudget(let bytes): memoryBudget = bytes
        case .timerFired: break
        case .drainStarted(let deadline): startDrain(deadline: deadline, at: now)
        }
        settle(at: now)
        isExpecting = false
    }

    /// Brings the pool to rest: what is due is done, capacity goes to waiters, missing machines are started.
    private mutating func settle(at now: PoolTime) {
        if configuration.maxAge != nil { updateBirths() }
        if let wake = scheduledWake, now >= wake {
            scheduledWake = nil
            runTimers(at: now)
        }
        if !queue.isEmpty { serveQueue(at: now) }
        if draining { continueDrain(at: now) } else { provision(at: now) }
        if configuration.maxAge != nil { updateBirths() }
        arm(at: now)
    }

    /// Asks for the timer if something is due before it would fire.
    private mutating func arm(at now: PoolTime) {
        guard let due = nextDue(at: now) else { return }
        if let wake = scheduledWake, wake <= due { return }
        scheduledWake = due
        actions.append(.wake(at: clock.stamp(due)))
    }

    /// Machines that may exist at once: `max`, or what the memory budget allows.
    @inline(__always)
    var limit: Int {
        guard let memoryBudget else { return configuration.max }
        return min(configuration.max, max(0, Int(memoryBudget / configuration.machineMemory)))
    }

    /// True while the machine holds its slot.
    package func isKnown(_ machine: MachineRef) -> Bool { table.slot(of: machine) != nil }

    @inline(__always)
    var startsInFlight: Int { table.count(.booting) + table.count(.restoring) }

    /// Machines that serve, or will without being asked again.
    @inline(__always)
    var serving: Int {
        table.count(.idle) + table.count(.busy) + table.count(.resuming) + startsInFlight + table.wantedCount
    }

    /// Machines that are there to stay.
    @inline(__always)
    var alive: Int {
        table.count(.idle) + table.count(.busy) + table.count(.resuming) + startsInFlight + table.count(.pausing)
            + table.count(.paused)
    }
}
