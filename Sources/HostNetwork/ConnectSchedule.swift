/// When a connection to a guest is tried again.
///
/// The first packets after a VMM attaches to a TAP can be lost, and the kernel repeats a SYN only after a second. So a
/// fresh attempt starts after 10 ms, and later ones at up to 40 ms; the earlier ones stay open, because a slow guest
/// may still answer them.
package struct ConnectSchedule: Sendable {
    package static let most = 16
    private var interval: Duration
    private(set) package var next: ContinuousClock.Instant

    /// `patience`: how long the first attempt has.
    package init(start: ContinuousClock.Instant, patience: Duration = .milliseconds(10)) {
        next = start
        interval = patience
    }

    /// Whether an attempt is due; if so, plans the one after it.
    package mutating func attempt(at now: ContinuousClock.Instant) -> Bool {
        guard now >= next else { return false }
        next = now + interval
        interval = max(interval, min(interval * 2, .milliseconds(40)))
        return true
    }

    /// Counts from `now` after the guest refused: it is there, but its server is not yet.
    package mutating func refused(at now: ContinuousClock.Instant) {
        interval = .milliseconds(10)
        next = now + interval
    }
}
