/// Learns when surges come, and how high, if they come regularly.
struct SurgeForecast: Sendable {
    private struct Surge: Sendable {
        var at: PoolTime
        var peak: Int
    }

    struct Prediction: Sendable {
        var at: PoolTime
        /// How far from the mean the gaps were, in nanoseconds.
        var jitter: Int64
        /// Requests at once.
        var peak: Int
    }

    private static let second: Int64 = 1_000_000_000
    private static let remembered = 5
    /// A surge that may come this much sooner or later would cost more to wait for than to miss.
    private static let widest: Int64 = 10_000_000_000
    /// A surge rises in this time, and its peak is looked for in it.
    private static let rise: Int64 = 3_000_000_000

    private var surges: [Surge] = []
    private var calm = 0.0

    /// The most requests at once since the last call.
    mutating func observe(peak: Int, at now: PoolTime) {
        if let last = surges.last, now - last.at < Self.rise {
            surges[surges.count - 1].peak = max(last.peak, peak)
        } else if Double(peak) >= calm * 1.6 + 2, surges.last.map({ now - $0.at > 2 * Self.rise }) ?? true {
            surges.append(Surge(at: now, peak: peak))
            if surges.count > Self.remembered { surges.removeFirst() }
        }
        // Follows a fall at once and a rise within seconds, so that a surge is measured against what was just before.
        calm = Double(peak) < calm ? calm * 0.7 + Double(peak) * 0.3 : calm + (Double(peak) - calm) * 0.2
    }

    /// The next surge, if the gaps between the last ones were alike.
    func next(after now: PoolTime) -> Prediction? {
        guard surges.count >= 3, let last = surges.last else { return nil }
        let gaps = zip(surges.dropFirst(), surges).map { $0.at - $1.at }.sorted()
        let middle = gaps[gaps.count / 2]
        let close = gaps.filter { abs($0 - middle) <= min(max(middle / 8, Self.second), Self.widest) }
        // One surge may have been missed or imagined, no more.
        guard close.count >= 2, close.count + 1 >= gaps.count else { return nil }
        let mean = close.reduce(0, +) / Int64(close.count)
        let jitter = max((close.last ?? mean) - mean, mean - (close.first ?? mean))
        var due = last.at + mean
        if now - due > jitter + Self.rise { due = due + mean }
        guard now - due <= jitter + Self.rise else { return nil }
        return Prediction(at: due, jitter: jitter, peak: surges.map(\.peak).max() ?? last.peak)
    }

    /// Whether a surge is expected at all.
    func isRegular(at now: PoolTime) -> Bool { next(after: now) != nil }
}
