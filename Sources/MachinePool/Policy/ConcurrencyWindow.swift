/// The time-weighted mean of the number of requests in the pool, in buckets of one second.
struct ConcurrencyWindow: Sendable {
    private static let second: Int64 = 1_000_000_000

    private var areas: [Double]
    /// When the first bucket begins. Nil until something was observed.
    private var origin: PoolTime?
    /// The bucket in use, counted from `origin`.
    private var current: Int64 = 0
    private var last = PoolTime.zero

    init(seconds: Int) { areas = Array(repeating: 0, count: max(1, seconds)) }

    /// The level has been `level` since the last call.
    mutating func observe(_ level: Int, until now: PoolTime) {
        guard let origin else {
            origin = now
            last = now
            return
        }
        while last < now {
            let end = origin + (current + 1) * Self.second
            let until = min(end, now)
            areas[index(current)] += Double(level) * Double(until - last)
            last = until
            if until == end { step(to: (now - origin) / Self.second, level: level) }
        }
    }

    /// Opens the next bucket; a silence longer than the window is not walked through.
    private mutating func step(to target: Int64, level: Int) {
        current += 1
        areas[index(current)] = 0
        guard level == 0, target - current > Int64(areas.count), let origin else { return }
        for bucket in areas.indices { areas[bucket] = 0 }
        current = target
        last = origin + target * Self.second
    }

    /// The mean over the last `seconds`, or over the time there has been.
    func mean(seconds: Int) -> Double {
        guard let origin else { return 0 }
        let span = min(Int64(min(seconds, areas.count)), current + 1)
        var area = 0.0
        for bucket in (current - span + 1)...current { area += areas[index(bucket)] }
        let length = Double((span - 1) * Self.second + (last - origin) - current * Self.second)
        return length > 0 ? area / length : 0
    }

    private func index(_ bucket: Int64) -> Int { Int(bucket % Int64(areas.count)) }
}
