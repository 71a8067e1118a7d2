/// Finds the period with which demand repeats, and says what it was a period ago.
///
/// For each lag up to an hour: how much of the demand would have been met by what there was that long before. Squares
/// are compared, so that surges count and the steady part does not.
struct SeasonFinder: Sendable {
    static let second: Int64 = 1_000_000_000
    private static let span = 4096
    private static let shortest = 8
    /// Seconds by which a clock may be off.
    private static let wander: Int64 = 2

    /// The highest level in each second, in a ring, and the highest with its neighbours', squared, twice over.
    private var levels = [UInt16](repeating: 0, count: span)
    private var around = [Float](repeating: 0, count: 2 * span)
    private var met = [Float](repeating: 0, count: span)
    private var asked = [Float](repeating: 0, count: span)
    private var first: Int64?
    private var current: Int64 = 0
    private var lastBusy: Int64 = 0
    private var highest: Float = 0
    private(set) var period: Int64?

    /// Levels of a second that is not over yet.
    mutating func observe(_ level: Int, at now: PoolTime) {
        let second = now.nanoseconds / Self.second
        if first == nil {
            guard level > 0 else { return }
            first = second
            current = second
        }
        advance(to: second)
        guard level > 0 else { return }
        lastBusy = second
        let slot = Self.slot(second)
        levels[slot] = max(levels[slot], UInt16(clamping: level))
    }

    /// True while there is something to look back at.
    func remembers(at now: PoolTime) -> Bool {
        first != nil && now.nanoseconds / Self.second - lastBusy < Int64(Self.span)
    }

    /// The highest level of the last two periods at this time of them, to `lead` nanoseconds later.
    func level(at now: PoolTime, lead: Int64) -> Int {
        guard let period, let first else { return 0 }
        let from = now.nanoseconds / Self.second
        let to = min((now + lead).nanoseconds / Self.second, from + period - 2 * Self.wander)
        var highest = 0
        for cycle in 1...2 {
            for second
                in (from - Int64(cycle) * period - Self.wander)...(max(from, to) - Int64(cycle) * period + Self.wander)
            where second >= first && second < current && current - second < Int64(Self.span) {
                highest = max(highest, Int(levels[Self.slot(second)]))
            }
        }
        return highest
    }

    private static func slot(_ second: Int64) -> Int { Int(second & Int64(span - 1)) }

    private mutating func advance(to second: Int64) {
        if second - current > Int64(Self.span) {
            for slot in levels.indices { levels[slot] = 0 }
            for slot in around.indices { around[slot] = 0 }
            current = second
        }
        while current < second {
            close(current)
            current += 1
            levels[Self.slot(current)] = 0
        }
    }

    private mutating func close(_ second: Int64) {
        let level = Float(levels[Self.slot(second)])
        var near = level
        for past in 1...(2 * Self.wander) { near = max(near, Float(levels[Self.slot(second - past)])) }
        // The second in the middle is known with all its neighbours now.
        let slot = Self.slot(second - Self.wander)
        around[slot] = near * near
        around[slot + Self.span] = near * near
        guard level > 0, let first else { return }
        let energy = level * level
        highest = max(highest, energy)
        let longest = Int(min(second - first + Self.wander, Int64(Self.span - 4)))
        guard longest >= Self.shortest else { return }
        let origin = Self.slot(second) + Self.span
        for lag in Self.shortest...longest {
            met[lag] += min(energy, around[origin - lag])
            asked[lag] += energy
        }
        choose(longest)
    }

    /// The lag that meets most; a few surges are no proof.
    private mutating func choose(_ longest: Int) {
        var best: Float = 0.6
        var found: ClosedRange<Int>?
        for lag in Self.shortest...longest {
            let share = met[lag] / (asked[lag] + highest / 2)
            if share > best + 0.01 {
                best = share
                found = lag...lag
            } else if let range = found, range.upperBound == lag - 1, range.count <= 2 * Int(Self.wander),
                share > best - 0.01
            {
                // Surges are met from some seconds too early to as many too late.
                found = range.lowerBound...lag
            }
        }
        period = found.map { Int64(($0.lowerBound + $0.upperBound) / 2) }
    }
}
