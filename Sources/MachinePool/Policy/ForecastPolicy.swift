/// Ours: sizes the pool by expected wait against machine-seconds.
///
/// It starts a machine as soon as a request needs one, and keeps machines as long as the load of the last τ seconds
/// would have used them. τ is not a constant: a shadow of Knative's autoscaler, fed the same load, says how many
/// machine-seconds the field's standard would spend. What that would have spent more than this pool did is credit, and
/// τ follows the credit, so that waits are bought down with a budget that is never above the standard's. Surges that come
/// regularly are met by machines started just before.
struct ForecastPolicy: Sendable {
    /// Between decisions under load, and at rest.
    static let tick: Int64 = 100_000_000
    static let rest: Int64 = 2_000_000_000
    private static let second = 1_000_000_000.0
    /// The part of the shadow's machine-seconds that may be spent; the rest is for what the shadow gets wrong.
    private static let share = 0.88
    /// Nanoseconds a request is let wait for each machine-second of debt.
    private static let debtPrice = 50_000_000.0
    private static let longestHedge = 100_000_000.0
    private static let longest: Int64 = 300_000_000_000
    /// Surges are looked for at this interval.
    private static let sample: Int64 = 500_000_000

    private var shadow: KPAPolicy
    private var surges = SurgeForecast()
    private var peaks = PeakMemory(span: longest)
    /// The most requests at once on machines since the last tick, and the most with those that waited.
    private var peak = 0
    private var crowd = 0
    private var lastSample = PoolTime.zero
    private var credit = 0.0
    private var lastTick: PoolTime?
    /// Requests that the shadow has besides those here, because it has fewer machines to serve them.
    private var backlog = 0.0
    private var lastObserved: PoolTime?
    private var service: Double?
    /// The share of clients that leave when they have to wait.
    private var leaving = MovingMean(weight: 0.02)
    private var restoreCost = MovingMean(weight: 0.2)
    private var bootCost = MovingMean(weight: 0.2)
    private let idleTimeout: Int64
    private let startsInFlight: Int
    private let concurrency: Double
    private(set) var nextEvaluation: PoolTime?

    init(_ configuration: PoolConfiguration) {
        shadow = KPAPolicy(configuration)
        idleTimeout = configuration.idleTimeout.nanoseconds
        startsInFlight = configuration.startsInFlight
        concurrency = Double(configuration.concurrency)
    }

    mutating func observe(queued: Int, inflight: Int, until now: PoolTime) {
        shadow.observe(demand: max(0, queued + inflight + Int(backlog)), until: now)
        follow(inflight, until: now)
        if inflight > peak { peak = inflight }
        if queued + inflight > crowd { crowd = queued + inflight }
        if lastTick == nil { lastTick = now }
        if queued + inflight > 0 || nextEvaluation == nil {
            nextEvaluation = min(nextEvaluation ?? now + Self.rest, now + Self.tick)
        }
    }

    /// Lets the shadow's machines work on what it would have.
    private mutating func follow(_ inflight: Int, until now: PoolTime) {
        defer { lastObserved = now }
        guard let lastObserved, let service, service > 0 else { return }
        let lanes = Double(shadow.desired) * concurrency
        let load = max(0, Double(inflight) + backlog)
        let done = min(lanes, load) * Double(now - lastObserved) / service
        backlog = max(backlog - done, -min(lanes, Double(inflight)))
    }

    /// A request was answered here; in the shadow it may still be waiting.
    mutating func served(_ mean: Double?) {
        service = mean
        backlog += 1 - (leaving.value ?? 0)
    }

    /// A client that had to wait stayed, or left.
    mutating func waited(stayed: Bool) { leaving.add(stayed ? 0 : 1) }

    mutating func started(_ kind: StartKind, cost: Int64) {
        switch kind {
        case .booted: bootCost.add(Double(cost))
        case .restored: restoreCost.add(Double(cost))
        case .resumed, .idle: break
        }
    }

    mutating func evaluate(_ view: PoolView, at now: PoolTime) -> ScaleTarget? {
        let elapsed = Double(now - (lastTick ?? now)) / Self.second
        lastTick = now
        let standard = shadowSize(view, at: now)
        credit = min(credit + (Self.share * Double(standard) - Double(view.alive)) * elapsed, 20 * Double(view.maximum))
        remember(view, at: now)
        let cost = startCost(restores: view.restores)
        let bought = credit / max(1, Double(standard)) * Self.second
        // A machine is worth keeping at least for the time in which another one would start.
        let keep = min(Int64(max(cost, bought)), Self.longest)
        var alive = machines(for: peaks.highest(within: keep, before: now), view)
        var running = machines(for: peaks.highest(within: min(keep, idleTimeout), before: now), view)
        if let surge = surges.next(after: now), isNear(surge, view, at: now) {
            alive = max(alive, machines(for: surge.peak, view))
            running = max(running, machines(for: surge.peak, view))
        }
        alive = min(max(alive, view.minimum), view.maximum)
        let asleep = alive == 0 && view.alive == 0 && view.queued + view.inflight == 0 && !surges.isRegular(at: now)
        let isBusy = view.queued + view.inflight > 0 || alive < view.alive
        nextEvaluation = asleep ? nil : now + (isBusy ? Self.tick : Self.rest)
        if asleep { lastTick = nil }
        return ScaleTarget(running: min(running, alive), alive: alive)
    }

    /// Starts what requests need while there is credit; without it, only where a start beats the queue, by more the
    /// deeper the debt.
    func hedged(_ view: HedgeView) -> Int {
        guard credit <= 0, view.running > 0, let service = view.service else { return view.needed }
        let cost = startCost(restores: view.restores)
        let wait = Double(view.queued) / Double(view.running * view.concurrency) * service
        return wait > cost + min(-credit * Self.debtPrice, Self.longestHedge)
            ? view.needed : min(view.needed, view.running)
    }

    /// What Knative would have now.
    private mutating func shadowSize(_ view: PoolView, at now: PoolTime) -> Int {
        if let due = shadow.nextEvaluation, now >= due {
            var pretended = view
            pretended.idle = shadow.desired
            pretended.busy = 0
            pretended.alive = shadow.desired
            _ = shadow.evaluate(pretended, at: now)
        }
        return shadow.desired
    }

    private mutating func remember(_ view: PoolView, at now: PoolTime) {
        peaks.add(max(peak, view.inflight), at: now)
        peak = view.inflight
        guard now - lastSample >= Self.sample else { return }
        lastSample = now
        surges.observe(peak: crowd, at: now)
        crowd = view.queued + view.inflight
    }

    /// Nanoseconds until a machine started now would serve.
    private func startCost(restores: Bool) -> Double {
        (restores ? restoreCost.value : bootCost.value) ?? Self.second
    }

    private func machines(for requests: Int, _ view: PoolView) -> Int {
        min((requests + view.concurrency - 1) / view.concurrency, view.maximum)
    }

    /// Whether machines for a surge have to be started now, or be there still.
    private func isNear(_ surge: SurgeForecast.Prediction, _ view: PoolView, at now: PoolTime) -> Bool {
        let cost = startCost(restores: view.restores)
        let missing = max(0, machines(for: surge.peak, view) - view.alive)
        let rounds = Double((missing + startsInFlight - 1) / startsInFlight)
        let lead = Int64(cost * rounds * 1.2) + surge.jitter + 2 * Self.sample
        return now + lead >= surge.at
    }
}
