/// When a template may be captured: at once, and after failures or a bad snapshot ever less often.
struct CaptureSchedule: Sendable {
    private var next: ContinuousClock.Instant?
    private var pause: Duration = .seconds(5)
    private var failures = 0
    static let longest: Duration = .seconds(1800)

    func isDue(at now: ContinuousClock.Instant) -> Bool { next.map { now >= $0 } ?? true }

    /// The snapshot that was made may turn out bad: the one after it is not made at once.
    mutating func succeeded(at now: ContinuousClock.Instant) {
        failures = 0
        delay(from: now)
    }

    /// Returns whether it is the first failure in a row, which is worth saying.
    mutating func failed(at now: ContinuousClock.Instant) -> Bool {
        failures += 1
        delay(from: now)
        return failures == 1
    }

    private mutating func delay(from now: ContinuousClock.Instant) {
        next = now + pause
        pause = min(pause * 2, Self.longest)
    }
}
