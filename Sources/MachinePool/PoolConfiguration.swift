/// Which rule sizes the pool beyond the requests that are here now.
package enum PolicyKind: String, Sendable, Codable, CaseIterable {
    case reactive, kpa, forecast
}

/// Everything the user may set about a pool. The defaults are those of `fcctl serve`.
package struct PoolConfiguration: Sendable, Equatable, Codable {
    /// Machines kept even without load; they may be paused.
    package var min = 1
    package var max = 10
    /// Requests one machine may hold at once.
    package var concurrency = 1
    /// Find out how many are good for it: `concurrency` is only the most it may be.
    package var learnsConcurrency = false
    /// Requests a machine should hold: above it another machine is started, though requests still fit. Nil: `concurrency`.
    package var softConcurrency: Int?
    package var policy = PolicyKind.reactive
    package var idleTimeout: Duration = .seconds(30)
    /// How long a machine stays paused before it is destroyed, if there are more than `min`.
    package var scaleDown: Duration = .seconds(300)
    /// False for machines that cannot be paused; they are destroyed after `idleTimeout` + `scaleDown` instead.
    package var pauses = true
    /// Requests that may wait although every machine allowed by `max` is full.
    package var queueSize = 1000
    package var queueTimeout: Duration = .seconds(30)
    /// Boots and restores in flight at once; the composition root sets it to the number of cores.
    package var startsInFlight = 2
    /// Machines without a request kept beyond the busy ones, within `max`.
    package var standby = 0
    /// Memory of one machine in bytes, for `memoryBudget`.
    package var machineMemory: Int64 = 128 << 20
    /// Bytes all machines may hold together, paused ones included. Nil: only `max` counts.
    package var memoryBudget: Int64?
    /// A machine older than this is replaced.
    package var maxAge: Duration?
    /// A machine that has served this many requests is replaced.
    package var maxRequests: Int?
    /// A boot or restore that takes longer is a failure. The driver may give up sooner.
    package var startTimeout: Duration = .seconds(120)
    /// A pause or resume that takes longer is a failure.
    package var transitionTimeout: Duration = .seconds(15)
    package var breaker = CircuitBreaker.Limits()

    package init() {}

    /// The same configuration with every value in the range in which it means something.
    package func normalized() -> PoolConfiguration {
        var copy = self
        copy.max = Swift.max(1, max)
        copy.min = Swift.min(Swift.max(0, min), copy.max)
        copy.concurrency = Swift.max(1, concurrency)
        copy.softConcurrency = softConcurrency.map { Swift.min(Swift.max(1, $0), copy.concurrency) }
        copy.queueSize = Swift.max(0, queueSize)
        copy.startsInFlight = Swift.max(1, startsInFlight)
        copy.standby = Swift.min(Swift.max(0, standby), copy.max)
        copy.machineMemory = Swift.max(1, machineMemory)
        copy.maxRequests = maxRequests.map { Swift.max(1, $0) }
        return copy
    }
}
