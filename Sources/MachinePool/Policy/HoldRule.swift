/// One way to size the pool, judged on every request so far: as many machines as were needed at once in the last `hold`
/// nanoseconds (and, if `seasonal`, at this point of the last periods), and a margin of spare ones.
///
/// Nothing of it is a model. For each margin the rule knows how many requests it would have let wait and how many
/// machine-seconds it would have taken, because it has been run beside the pool.
struct HoldRule: Sendable {
    private static let margins = 64

    let hold: Int64
    let seasonal: Bool
    /// Machines without spare ones, as it is now.
    private(set) var base: Int
    /// Those of them that were asked for a start ago and have been since.
    private var ready: Int
    /// Requests by the least margin with which they would have found a machine.
    private var needs = [Double](repeating: 0, count: margins)
    /// Seconds by base.
    private var seconds: [Double] = []
    private var starts = 0.0
    /// Requests that waited by the rule's own account while the pool followed it, and those that did.
    private(set) var foreseen = 0.0
    private var met = 0.0
    /// Machines that were missing when the requests that wait began to.
    private var owed = 0

    init(hold: Int64, seasonal: Bool, base: Int) {
        self.hold = hold
        self.seasonal = seasonal
        self.base = base
        ready = base
    }

    /// The rule has held `base` machines for `span` seconds and holds `next` from now on.
    mutating func move(to next: Int, ready: Int, after span: Double) {
        self.ready = ready
        if base >= seconds.count { seconds += Array(repeating: 0, count: base + 1 - seconds.count) }
        seconds[base] += span
        starts += Double(max(0, next - base))
        base = next
    }

    /// So many requests needed `machines` machines to be there; `behind` others that wait, and so for what was missing
    /// when those came.
    mutating func judge(_ machines: Int, requests: Double, behind: Bool) {
        let missing = min(max(0, machines - ready), Self.margins - 1)
        owed = behind ? max(owed, missing) : missing
        needs[owed] += requests
    }

    /// The pool follows the rule, and these requests come.
    mutating func foresee(_ machines: Int, margin: Int, requests: Double) {
        if machines > ready + margin { foreseen += requests }
    }

    /// The pool follows the rule, and a request waits.
    mutating func surprised() { met += 1 }

    /// How many times more requests waited than the rule foresaw.
    var surprise: Double { max(1, (met + 10) / (foreseen + 10)) }

    /// Requests it was judged by.
    var requests: Double { needs.reduce(0, +) }

    /// Requests that would have waited, times the machines that they missed.
    func shortage(margin: Int) -> Double {
        needs.indices.dropFirst(margin + 1).reduce(0) { $0 + needs[$1] * Double($1 - margin) }
    }

    /// The least margin that would have let no more than `allowance` requests wait.
    func margin(for allowance: Double) -> Int? {
        var late = 0.0
        for margin in stride(from: Self.margins - 1, to: 0, by: -1) {
            late += needs[margin]
            if late > allowance { return margin + 1 < Self.margins ? margin : nil }
        }
        return 0
    }

    /// The least margin that lets the fewest requests wait within `budget` machine-seconds.
    func margin(within budget: Double, limit: Int) -> Int? {
        guard cost(margin: 0, limit: limit, startPrice: 0) <= budget else { return nil }
        var (low, high) = (0, Self.margins - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if cost(margin: middle, limit: limit, startPrice: 0) <= budget { low = middle } else { high = middle - 1 }
        }
        while low > 0, needs[low] == 0 { low -= 1 }
        return low
    }

    /// Machine-seconds, with `startPrice` for each start.
    func cost(margin: Int, limit: Int, startPrice: Double) -> Double {
        var cost = starts * startPrice
        for (base, span) in seconds.enumerated() where span > 0 { cost += span * Double(min(limit, base + margin)) }
        return cost
    }

    /// Halves the weight of all there has been.
    mutating func fade() {
        for index in needs.indices { needs[index] /= 2 }
        for index in seconds.indices { seconds[index] /= 2 }
        starts /= 2
        foreseen /= 2
        met /= 2
    }
}
