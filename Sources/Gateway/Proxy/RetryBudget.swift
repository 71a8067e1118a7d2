/// How many requests may be sent again: a fifth of all and a few a second, over a window of ten seconds. Retries must not
/// multiply an overload.
package struct RetryBudget: Sendable {
    private static let window = 10
    private static let share = 0.2

    private struct Second {
        var requests = 0
        var retries = 0
    }

    private let reserve: Double
    private var seconds = [Second](repeating: Second(), count: window)
    private var requests = 0
    private var retries = 0
    private var at = 0
    /// The second that `at` stands for.
    private var second: UInt64

    /// `perSecond`: retries that are allowed without any request. `now` in nanoseconds.
    package init(perSecond: Double, now: UInt64) {
        reserve = perSecond * Double(Self.window)
        second = now / 1_000_000_000
    }

    /// Counts a request.
    @inline(__always)
    package mutating func earn() {
        seconds[at].requests += 1
        requests += 1
    }

    /// Counts a retry, if it is allowed.
    package mutating func spend() -> Bool {
        guard Double(retries + 1) <= Double(requests) * Self.share + reserve else { return false }
        seconds[at].retries += 1
        retries += 1
        return true
    }

    /// Forgets what is older than the window.
    package mutating func advance(to now: UInt64) {
        let present = now / 1_000_000_000
        guard present > second else { return }
        for _ in 0..<min(present - second, UInt64(Self.window)) {
            at = (at + 1) % Self.window
            requests -= seconds[at].requests
            retries -= seconds[at].retries
            seconds[at] = Second()
        }
        second = present
    }
}
