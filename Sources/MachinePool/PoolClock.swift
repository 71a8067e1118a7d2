/// Turns the clock that events are stamped with into one that only counts time in which the pool could act.
///
/// A suspended host, a stopped process or a clock step makes the timer late by far more than scheduling does. That time
/// is left out, so that it expires no waiter and pauses no machine. A clock that steps back goes on from where it was;
/// stamps of two threads that arrive a little out of order change nothing.
struct PoolClock: Sendable {
    /// How far a stamp may be from what was expected before it counts as time the pool did not live through.
    static let tolerance: Int64 = 5_000_000_000

    private(set) var now = PoolTime.zero
    /// What to take from a stamp to get the pool's time.
    private var skipped: Int64 = 0
    private var started = false

    /// The pool's time for an event stamped `stamp`; `wake` is the pool time at which the timer was to fire.
    ///
    /// Returns true as `jumped` if alarms set for earlier stamps no longer mean the same time.
    mutating func advance(to stamp: PoolTime, wake: PoolTime?) -> (now: PoolTime, jumped: Bool) {
        if !started {
            started = true
            now = stamp
            return (now, false)
        }
        let time = stamp + -skipped
        if now - time > Self.tolerance {
            skipped += time - now
            return (now, true)
        }
        if let wake, time - wake > Self.tolerance {
            now = max(wake, now)
            skipped = stamp - now
            return (now, false)
        }
        now = max(now, time)
        return (now, false)
    }

    /// The stamp that will be `time` on the pool's clock.
    func stamp(_ time: PoolTime) -> PoolTime { time + skipped }
}
