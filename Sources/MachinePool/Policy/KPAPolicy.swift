/// Knative's pod autoscaler: a stable and a panic window, a target utilisation, decisions every two seconds.
struct KPAPolicy: Sendable {
    struct Parameters: Sendable {
        var tick: Int64 = 2_000_000_000
        var stableWindow = 60
        var panicWindow = 6
        var panicThreshold = 2.0
        var utilization = 0.7
        var maxScaleUpRate = 1000.0
        var maxScaleDownRate = 2.0
        /// Seconds for which the highest wish is kept.
        var scaleDownDelay = 0
        var zeroGrace: Int64 = 30_000_000_000
    }

    let parameters: Parameters
    private(set) var decider: KPADecider
    private var window: ConcurrencyWindow
    private var wishes: [(at: PoolTime, count: Int)] = []
    private var zeroSince: PoolTime?
    private(set) var desired: Int
    /// Nil while there is nothing to decide: no machine, no request.
    private(set) var nextEvaluation: PoolTime?

    init(_ configuration: PoolConfiguration, parameters: Parameters = Parameters()) {
        self.parameters = parameters
        let total = Double(configuration.softConcurrency ?? configuration.concurrency)
        decider = KPADecider(target: max(0.01, total * parameters.utilization), parameters: parameters)
        window = ConcurrencyWindow(seconds: parameters.stableWindow)
        desired = max(configuration.min, 1)
    }

    mutating func follow(concurrency: Int) {
        decider.target = max(0.01, Double(concurrency) * parameters.utilization)
    }

    mutating func observe(demand: Int, until now: PoolTime) {
        window.observe(demand, until: now)
        if nextEvaluation == nil { nextEvaluation = now + parameters.tick }
    }

    mutating func evaluate(_ view: PoolView, at now: PoolTime) -> ScaleTarget? {
        var wish = decider.decide(
            stable: window.mean(seconds: parameters.stableWindow), panic: window.mean(seconds: parameters.panicWindow),
            ready: view.idle + view.busy, at: now)
        wish = delayed(wish, at: now)
        if wish > 0 {
            zeroSince = nil
        } else {
            let since = zeroSince ?? now
            zeroSince = since
            if now - since < parameters.zeroGrace { wish = 1 }
        }
        desired = min(max(wish, view.minimum), view.maximum)
        let asleep = desired == 0 && view.alive == 0 && view.queued == 0 && view.inflight == 0
        nextEvaluation = asleep ? nil : now + parameters.tick
        return ScaleTarget(running: desired, alive: desired)
    }

    /// Between ticks nothing is started, but from nothing one machine is at once.
    func hedged(_ view: HedgeView) -> Int { min(view.needed, max(1, desired)) }

    private mutating func delayed(_ wish: Int, at now: PoolTime) -> Int {
        guard parameters.scaleDownDelay > 0 else { return wish }
        let span = Int64(parameters.scaleDownDelay) * 1_000_000_000
        wishes.removeAll { now - $0.at > span }
        wishes.append((now, wish))
        return wishes.map(\.count).max() ?? wish
    }
}

/// One decision from the two averages; everything it remembers is about panic.
struct KPADecider: Sendable {
    fileprivate(set) var target: Double
    let parameters: KPAPolicy.Parameters
    private(set) var panicSince: PoolTime?
    private var panicMaximum = 0

    init(target: Double, parameters: KPAPolicy.Parameters) {
        self.target = target
        self.parameters = parameters
    }

    mutating func decide(stable: Double, panic: Double, ready: Int, at now: PoolTime) -> Int {
        let ready = Double(max(1, ready))
        let up = (parameters.maxScaleUpRate * ready).rounded(.up)
        let down = (ready / parameters.maxScaleDownRate).rounded(.down)
        let rawPanic = (panic / target).rounded(.up)
        let wantStable = Int(min(max((stable / target).rounded(.up), down), up))
        let wantPanic = Int(min(max(rawPanic, down), up))
        if rawPanic / ready >= parameters.panicThreshold {
            panicSince = now
        } else if let since = panicSince, now - since > Int64(parameters.stableWindow) * 1_000_000_000 {
            panicSince = nil
            panicMaximum = 0
        }
        guard panicSince != nil else { return wantStable }
        panicMaximum = max(panicMaximum, wantStable, wantPanic)
        return panicMaximum
    }
}
