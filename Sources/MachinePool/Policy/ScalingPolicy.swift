/// How many machines a policy wants, beyond those that requests need at this moment.
package struct ScaleTarget: Sendable, Equatable {
    /// Machines that should run, busy ones included: missing ones are resumed or started, idle ones above it paused.
    package var running: Int
    /// Machines that should exist, paused ones included: idle and paused ones above it end at once.
    package var alive: Int

    package init(running: Int, alive: Int) {
        self.running = running
        self.alive = alive
    }
}

/// What a policy sees of the pool when it decides.
package struct PoolView: Sendable {
    package var queued = 0
    package var inflight = 0
    package var idle = 0
    package var busy = 0
    package var paused = 0
    /// Machines that serve or are coming.
    package var serving = 0
    /// Machines that are there to stay, paused ones included.
    package var alive = 0
    /// Requests a machine should hold.
    package var concurrency = 1
    package var minimum = 0
    package var maximum = 1
    package var restores = false
}

/// What decides whether waiting requests are worth a start.
package struct HedgeView: Sendable {
    package var queued: Int
    /// Machines that serve now.
    package var running: Int
    /// Machines the requests of this moment would keep busy.
    package var needed: Int
    package var concurrency: Int
    /// Mean nanoseconds a request holds a machine, if known.
    package var service: Double?
    package var restores: Bool
}

/// The rule chosen by `--policy`: fed by the reducer, asked at times of its own.
struct ScalingPolicy: Sendable {
    private var kpa: KPAPolicy?
    private var forecast: ForecastPolicy?

    init(_ configuration: PoolConfiguration) {
        switch configuration.policy {
        case .reactive: break
        case .kpa: kpa = KPAPolicy(configuration)
        case .forecast: forecast = ForecastPolicy(configuration)
        }
    }

    /// Machines should hold, and may hold, so many requests each from now on.
    mutating func follow(soft: Int, hard: Int) {
        kpa?.follow(concurrency: soft)
        forecast?.follow(soft: soft, hard: hard)
    }

    /// So many requests have been waiting and on machines since the last call.
    mutating func observe(queued: Int, inflight: Int, alive: Int, until now: PoolTime) {
        kpa?.observe(demand: queued + inflight, until: now)
        forecast?.observe(queued: queued, inflight: inflight, alive: alive, until: now)
    }

    /// A request was answered; `mean` is the mean time in nanoseconds that requests hold a machine.
    mutating func served(_ mean: Double?) { forecast?.served(mean) }
    /// A request came and makes it so many; it got a machine at once, or waits.
    mutating func arrived(queued: Int, inflight: Int, served: Bool) {
        forecast?.arrived(queued: queued, inflight: inflight, served: served)
    }
    mutating func started(_ kind: StartKind, cost: Int64) { forecast?.started(kind, cost: cost) }

    /// When `evaluate` wants to be called. Nil: never.
    var nextEvaluation: PoolTime? { kpa?.nextEvaluation ?? forecast?.nextEvaluation }

    /// Nil: the time-outs alone decide.
    mutating func evaluate(_ view: PoolView, at now: PoolTime) -> ScaleTarget? {
        if let target = kpa?.evaluate(view, at: now) { return target }
        return forecast?.evaluate(view, at: now)
    }

    /// Machines the requests that are here should have, at most `needed`.
    func hedged(_ view: HedgeView) -> Int { kpa?.hedged(view) ?? forecast?.hedged(view) ?? view.needed }

    /// Machines there have to be ahead of requests while so many are here.
    func floor(queued: Int, inflight: Int) -> Int { forecast?.floor(queued: queued, inflight: inflight) ?? 0 }
}
