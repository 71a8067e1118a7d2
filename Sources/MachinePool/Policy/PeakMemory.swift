/// The highest level of late, for any "of late".
///
/// Holds only levels that nothing later exceeds, so that it is as long as there are different ones, not as time is.
struct PeakMemory: Sendable {
    private var peaks: [(at: PoolTime, level: Int)] = []
    private let span: Int64

    init(span: Int64) { self.span = span }

    mutating func add(_ level: Int, at now: PoolTime) {
        while let last = peaks.last, last.level <= level { peaks.removeLast() }
        peaks.append((now, level))
        if let first = peaks.firstIndex(where: { now - $0.at <= span }), first > 0 { peaks.removeFirst(first) }
    }

    /// The highest level in the last `span` nanoseconds before `now`, or the last one.
    func highest(within span: Int64, before now: PoolTime) -> Int {
        peaks.first { now - $0.at <= span }?.level ?? peaks.last?.level ?? 0
    }
}
