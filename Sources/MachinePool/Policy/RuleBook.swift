/// The rules that run beside the pool, what requests have made of them, and the one that is followed.
struct RuleBook: Sendable {
    /// The share of requests that may wait below the 99th percentile, what is aimed at, and what is aimed at after
    /// too many have.
    private static let tolerable = 0.009
    private static let aims = 0.0015...0.006
    /// A start costs what its machine would in this many times its duration.
    private static let startPrice = 2.0
    /// Requests after which older ones count half.
    private static let memory = 131_072.0

    private var rules: [HoldRule] = []
    private var chosen: (rule: Int, margin: Int)
    private var requests = 0.0
    private var late = 0.0

    /// Rules that hold for `shortest` nanoseconds, four times as long and so on, for none and for `longest`.
    ///
    /// They come in pairs, without and with seasons.
    init(shortest: Int64, longest: Int64, minimum: Int) {
        var holds: [Int64] = [0]
        var hold = shortest
        while hold < longest / 2 {
            holds.append(hold)
            hold *= 4
        }
        for hold in holds + [longest] {
            for seasonal in [false, true] {
                rules.append(HoldRule(hold: hold, seasonal: seasonal, base: minimum))
            }
        }
        chosen = (rules.count - 1, 0)
    }

    /// Of the rule that is followed.
    var margin: Int { chosen.margin }
    var hold: Int64 { rules[chosen.rule].hold }
    var base: Int { rules[chosen.rule].base }
    var isSeasonal: Bool { rules[chosen.rule].seasonal }

    /// A request came; it waits for a machine that another rule might have had.
    mutating func count(late isLate: Bool) {
        requests += 1
        guard isLate else { return }
        late += 1
        rules[chosen.rule].surprised()
    }

    /// So many requests needed so many machines.
    mutating func judge(_ machines: Int, requests count: Double, behind: Bool, seasonal: Bool) {
        rules[chosen.rule].foresee(machines, margin: chosen.margin, requests: count)
        for rule in rules.indices where seasonal || !rules[rule].seasonal {
            rules[rule].judge(machines, requests: count, behind: behind)
        }
    }

    /// Moves every rule to what it holds from now on: the highest level within its time, up to now and up to a start ago.
    mutating func move(
        season: Int, minimum: Int, maximum: Int, after span: Double, levels: (Int64) -> (held: Int, ready: Int)
    ) {
        for pair in stride(from: 0, to: rules.count, by: 2) {
            let (held, ready) = levels(rules[pair].hold)
            for (rule, ahead) in [(pair, minimum), (pair + 1, season)] {
                rules[rule].move(
                    to: min(max(ahead, held), maximum), ready: min(max(ahead, ready), maximum), after: span)
            }
        }
    }

    /// Chooses the rule to follow; true if what there has been counts half from now on.
    mutating func choose(within limit: Double, maximum: Int, startSeconds: Double) -> Bool {
        chosen =
            cheapest(within: limit, maximum: maximum, startSeconds: startSeconds)
            ?? mostReady(within: limit, maximum: maximum) ?? (0, 0)
        guard requests > Self.memory else { return false }
        requests /= 2
        late /= 2
        for index in rules.indices { rules[index].fade() }
        return true
    }

    /// The cheapest rule that would have let few enough requests wait.
    private func cheapest(within limit: Double, maximum: Int, startSeconds: Double) -> (rule: Int, margin: Int)? {
        // What no rule sees, such as the limit of starts at once, makes them too sure.
        let surprise = max(1, (late + 10) / rules.reduce(10) { $0 + $1.foreseen })
        let aim = min(max(Self.tolerable - late / max(1, requests), Self.aims.lowerBound), Self.aims.upperBound)
        let price = Self.startPrice * startSeconds
        var best: (rule: Int, margin: Int, cost: Double)?
        for index in rules.indices.reversed() {
            guard let allowance = Self.certain(rules[index].requests * aim / surprise),
                let margin = rules[index].margin(for: allowance),
                rules[index].cost(margin: margin, limit: maximum, startPrice: 0) <= limit
            else { continue }
            let cost = rules[index].cost(margin: margin, limit: maximum, startPrice: price)
            if cost < best?.cost ?? .infinity { best = (index, margin, cost) }
        }
        return best.map { ($0.rule, $0.margin) }
    }

    /// The rule that would have let the fewest requests wait; of those that have let none, the one that holds longest.
    private func mostReady(within limit: Double, maximum: Int) -> (rule: Int, margin: Int)? {
        var best: (rule: Int, margin: Int, shortage: Double)?
        for index in rules.indices.reversed() {
            guard let margin = rules[index].margin(within: limit, limit: maximum) else { continue }
            let share = (rules[index].shortage(margin: margin) + 1) / (rules[index].requests + 1)
            let shortage = share * rules[index].surprise
            if shortage < best?.shortage ?? .infinity { best = (index, margin, shortage) }
        }
        return best.map { ($0.rule, $0.margin) }
    }

    /// How many may have waited so that more than `limit` is out of the question: m + 2.3 √(m + 1) = `limit`.
    private static func certain(_ limit: Double) -> Double? {
        guard limit >= 2.3 else { return nil }
        let root = ((2.3 * 2.3 + 4 * (limit + 1)).squareRoot() - 2.3) / 2
        return root * root - 1
    }
}
