/// Stops the pool from starting again and again what does not stay up.
///
/// Each failure in a row doubles the pause before the next start. From `threshold` failures on the circuit is open:
/// requests that would need a start are refused at once, and after each pause one machine is tried.
package struct CircuitBreaker: Sendable {
    package struct Limits: Sendable, Equatable, Codable {
        package var threshold = 3
        package var firstDelay: Duration = .milliseconds(200)
        package var longestDelay: Duration = .seconds(30)
        /// Starts per `window` while starts fail.
        package var startsPerWindow = 10
        package var window: Duration = .seconds(60)
        /// A machine that dies sooner after its start, without having answered anything, counts as a failed start.
        package var probation: Duration = .seconds(10)

        package init() {}
    }

    package let limits: Limits
    package private(set) var failures = 0
    package private(set) var isOpen = false
    package private(set) var lastReason = ""
    private var notBefore = PoolTime.zero
    /// When the starts of this series of failures were made, newest last; never longer than `startsPerWindow`.
    private var recent: [PoolTime] = []
    private var goodSince: PoolTime?
    private var failedAt = PoolTime.zero

    package init(limits: Limits) { self.limits = limits }

    /// Whether a start may be made now, with `inFlight` others under way.
    package func permits(at now: PoolTime, inFlight: Int) -> Bool {
        guard failures > 0 else { return true }
        if isOpen && inFlight > 0 { return false }
        return now >= nextPermit
    }

    /// The time from which `permits` can be true.
    package var nextPermit: PoolTime {
        guard failures > 0 else { return .zero }
        guard recent.count >= limits.startsPerWindow, let oldest = recent.first else { return notBefore }
        return max(notBefore, oldest + limits.window.nanoseconds)
    }

    package mutating func recordStart(at now: PoolTime) {
        if failures > 0 { remember(now) }
    }

    /// A start failed, or what it started died at once. `startedAt` is when the start was made.
    package mutating func recordFailure(at now: PoolTime, startedAt: PoolTime, reason: String) {
        if let since = goodSince, now - since >= limits.probation.nanoseconds { reset() }
        goodSince = nil
        // A start made before the first failure was not written down yet.
        if failures == 0 || recent.last.map({ $0 < startedAt }) ?? true { remember(startedAt) }
        failures += 1
        failedAt = now
        lastReason = reason
        let doublings = min(failures - 1, 20)
        let delay = min(limits.firstDelay.nanoseconds << Int64(doublings), limits.longestDelay.nanoseconds)
        notBefore = now + delay
        if failures >= limits.threshold { isOpen = true }
    }

    /// A start ended well: the circuit closes, on probation until something was served.
    package mutating func recordReady(at now: PoolTime) {
        isOpen = false
        if goodSince == nil { goodSince = now }
    }

    /// A machine that became ready at `born` answered a request. One from before the last failure says nothing of starts.
    package mutating func recordSuccess(of born: PoolTime) {
        if failures > 0, born >= failedAt { reset() }
    }

    private mutating func reset() {
        failures = 0
        isOpen = false
        recent.removeAll()
        notBefore = .zero
    }

    private mutating func remember(_ time: PoolTime) {
        if recent.count >= limits.startsPerWindow { recent.removeFirst() }
        recent.append(time)
    }
}
