/// How many machines there are.
///
/// What asks and changes nothing is inlined here and in `Timers`: on a state that is being changed, a call of it would
/// first copy the state, 1.6 kB.
extension PoolState {
    /// Resumes and starts what requests, `min` and the policy ask for. Starts belong to the pool: a request that leaves
    /// stops none, and a machine that comes up serves whoever is first.
    mutating func provision(at now: PoolTime) {
        let needed = neededNow(at: now)
        var running = serving
        // What requests wait for has the cores first.
        if running < needed, now >= spareDue, configuration.standby > 0 { spareDue = now + Self.spareDelay }
        while running < needed {
            if let slot = table.newest(.paused) {
                resume(slot, at: now)
            } else if !table.takeBackPause(at: now) {
                break
            }
            running += 1
        }
        let floor =
            max(now < spareDue ? floor(spare: 0) : keepFloor, needed - running + alive) + (retiring == nil ? 0 : 1)
        var missing = floor - alive
        while missing > 0, table.used < limit, startsInFlight < configuration.startsInFlight,
            breaker.permits(at: now, inFlight: startsInFlight)
        {
            start(mayRestore ? .restore : .boot, at: now)
            missing -= 1
        }
        if table.used > limit { shrink(to: limit, at: now) }
        if let retiring, let old = table.slot(of: retiring), startsInFlight == 0,
            alive >= floor || table.used >= limit
        {
            // The others are enough without it, or there is no room for a successor beside it.
            release(old, at: now)
        }
    }

    /// Machines that should run now: enough for the requests that are here, or as many as the policy wants ahead.
    @inline(__always)
    mutating func neededNow(at now: PoolTime) -> Int {
        let demand = queue.count + table.inflight - drainingLoad + (isExpecting ? 1 : 0)
        var needed = (demand + softConcurrency - 1) / softConcurrency
        if !queue.isEmpty {
            let hedge = HedgeView(
                queued: queue.count, running: table.count(.idle) + table.count(.busy), needed: needed,
                concurrency: concurrency, service: serviceTime.value, restores: mayRestore)
            needed = policy.hedged(hedge)
            // A waiter without any machine would wait for ever.
            needed = max(needed, 1)
        }
        let ahead = policy.floor(queued: queue.count, inflight: table.inflight)
        return min(max(needed, target?.running ?? 0, ahead), configuration.max)
    }

    /// Requests on machines that take no more.
    @inline(__always)
    private var drainingLoad: Int {
        guard var slot = table.newest(.draining) else { return 0 }
        var load = table.slots[slot].inflight
        while let next = table.next(slot) {
            slot = next
            load += table.slots[slot].inflight
        }
        return load
    }

    /// Machines that are kept without a request for them, paused or not.
    @inline(__always)
    var keepFloor: Int {
        // Standby is restored ahead of need; a boot ahead of need would take the cores that the snapshot is made with.
        floor(spare: configuration.standby > 0 && mayRestore ? table.count(.busy) + configuration.standby : 0)
    }

    @inline(__always)
    private func floor(spare: Int) -> Int {
        draining ? 0 : min(max(configuration.min, spare, target?.alive ?? 0), configuration.max)
    }

    /// How long what is kept in reserve waits after requests had to wait.
    static let spareDelay: Int64 = 100_000_000

    /// When the reserve may be filled up, where that is to come.
    @inline(__always)
    func nextSpare(at now: PoolTime) -> PoolTime? { now < spareDue && keepFloor > alive ? spareDue : nil }

    /// Pauses a machine that was restored and that nobody waits for.
    mutating func putOnStandby(_ slot: Int, at now: PoolTime) {
        guard configuration.standby > 0, configuration.pauses, !draining, queue.isEmpty else { return }
        if serving > max(configuration.min, neededNow(at: now)) { pause(slot, at: now) }
    }

    /// Ends the coldest machines without a request until no more than `count` slots are used.
    private mutating func shrink(to count: Int, at now: PoolTime) {
        var leaving = table.count(.stopping) + table.count(.failed) + table.count(.draining)
        while table.used - leaving > count, let slot = table.oldest(.paused) ?? table.oldest(.idle) {
            stop(slot, .memory, at: now)
            leaving += 1
        }
    }

    /// Brings the pool down to what the policy wants; the busy are never touched.
    mutating func trim(to target: ScaleTarget, at now: PoolTime) {
        while alive > keepFloor, let slot = table.oldest(.paused) ?? table.oldest(.idle) {
            stop(slot, .scaleDown, at: now)
        }
        guard configuration.pauses else { return }
        while table.count(.idle) > 0, serving > target.running, let slot = table.oldest(.idle) {
            pause(slot, at: now)
        }
    }
}
