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
    /// At most one policy, in an array of its own: the pool's state is handed on as a copy here and there, and would be
    /// a kilobyte larger. With none the time-outs alone decide.
    private var kpa: [KPAPolicy] = []
    private var forecast: [ForecastPolicy] = []

    init(_ configuration: PoolConfiguration) {
        switch configuration.policy {
        case .reactive: break
        case .kpa: kpa = [KPAPolicy(configuration)]
        case .forecast: forecast = [ForecastPolicy(configuration)]
        }
    }

    /// Machines should hold, and may hold, so many requests each from now on.
    mutating func follow(soft: Int, hard: Int) {
        for one in kpa.indices { kpa[one].follow(concurrency: soft) }
        for one in forecast.indices { forecast[one].follow(soft: soft, hard: hard) }
    }

    /// So many requests have been waiting and on machines since the last call.
    mutating func observe(queued: Int, inflight: Int, alive: Int, until now: PoolTime) {
        for one in kpa.indices { kpa[one].observe(demand: queued + inflight, until: now) }
        for one in forecast.indices {
            forecast[one].observe(queued: queued, inflight: inflight, alive: alive, until: now)
        }
    }

    /// A request was answered; `mean` is the mean time in nanoseconds that requests hold a machine.
    mutating func served(_ mean: Double?) {
        for one in forecast.indices { forecast[one].served(mean) }
    }

    /// A request came and makes it so many; it got a machine at once, or waits.
    mutating func arrived(queued: Int, inflight: Int, served: Bool) {
        for one in forecast.indices { forecast[one].arrived(queued: queued, inflight: inflight, served: served) }
    }

    mutating func started(_ kind: StartKind, cost: Int64) {
        for one in forecast.indices { forecast[one].started(kind, cost: cost) }
    }

    /// When `evaluate` wants to be called. Nil: never.
    @inline(__always)
    var nextEvaluation: PoolTime? {
        if !kpa.isEmpty { return kpa[0].nextEvaluation }
        return forecast.isEmpty ? nil : forecast[0].nextEvaluation
    }

    /// Nil: the time-outs alone decide.
    mutating func evaluate(_ view: PoolView, at now: PoolTime) -> ScaleTarget? {
        if !kpa.isEmpty { return kpa[0].evaluate(view, at: now) }
        return forecast.isEmpty ? nil : forecast[0].evaluate(view, at: now)
    }

    /// Machines the requests that are here should have, at most `needed`.
    @inline(__always)
    func hedged(_ view: HedgeView) -> Int {
        if !kpa.isEmpty { return kpa[0].hedged(view) }
        return forecast.isEmpty ? view.needed : forecast[0].hedged(view)
    }

    /// Machines there have to be ahead of requests while so many are here.
    @inline(__always)
    func floor(queued: Int, inflight: Int) -> Int {
        forecast.isEmpty ? 0 : forecast[0].floor(queued: queued, inflight: inflight)
    }
}
