/// Ours: the fewest waits for the machine-seconds that Knative's autoscaler or the time-outs would spend, or for less.
///
/// How many machines to hold is learned from what requests would have needed. A handful of rules (`HoldRule`) run beside
/// the pool, and each knows, for any number of spare machines, how many requests it would have let wait and how many
/// machine-seconds it would have taken. The pool follows the cheapest one that would have let fewer than one request in a
/// hundred wait, for sure; while there is none within the budget, the one within it that would have let the fewest wait.
///
/// It keeps a machine running or ends it: a paused one holds as much memory.
struct ForecastPolicy: Sendable {
    /// Requests are judged, and rules moved, in slots of this length.
    private static let slot: Int64 = 2_000_000
    /// Between decisions while machines come and go, under load, and at rest.
    private static let shortest: Int64 = 10_000_000
    private static let tick: Int64 = 100_000_000
    private static let rest: Int64 = 1_000_000_000
    private static let second = 1_000_000_000.0
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
    private var lastChoice = PoolTime.zero
    private var shadow: KnativeShadow
    private var budget = ForecastBudget()
    private var seasons = SeasonFinder()
    /// Machines needed at once: up to now, and up to a start ago.
    private var recent: PeakMemory
    private var known: PeakMemory
    private var pending: [(at: PoolTime, level: Int)] = []
    /// Machines with requests: what the time-outs go by.
    private var held: PeakMemory
    private var current = Slot()
    /// Requests of the slot by the machines they need to be there.
    private var asked: [Int]
    private var requests = 0.0
    private var late = 0.0
    /// Machines that the rule wants without spare ones.
    private var base: Int
    private var running = 0
    private var isQuiet = false
    private var service: Double?
    private var restoreCost = MovingMean(weight: 0.2)
    private var bootCost = MovingMean(weight: 0.2)
    private var restores = false
    /// How long the time-outs keep a machine without requests.
    private let longest: Int64
    private var soft: Int
    private var hard: Int
    private let minimum: Int
    private var maximum: Int
    private(set) var nextEvaluation: PoolTime?

    private struct Slot: Sendable {
        var start: PoolTime?
        /// The most machines that were worth having, and that had requests.
        var peak = 0
        var held = 0
        /// Whether requests waited when it began.
        var behind = false
        var asked = (lowest: Int.max, highest: 0)
    }

    mutating func follow(soft: Int, hard: Int) {
        (self.soft, self.hard) = (soft, hard)
        shadow.follow(soft: soft, hard: hard)
    }

    init(_ configuration: PoolConfiguration) {
        longest = max(Self.tick, configuration.idleTimeout.nanoseconds + configuration.scaleDown.nanoseconds)
        hard = configuration.concurrency
        soft = configuration.softConcurrency ?? configuration.concurrency
        minimum = configuration.min
        maximum = configuration.max
        base = configuration.min
        shadow = KnativeShadow(configuration)
        recent = PeakMemory(span: longest)
        known = PeakMemory(span: longest)
        held = PeakMemory(span: longest)
        asked = Array(repeating: 0, count: configuration.max + 1)
        var holds: [Int64] = [0]
        var hold = 4 * Self.shortest
        while hold < longest / 2 {
            holds.append(hold)
            hold *= 4
        }
        for hold in holds + [longest] {
            for seasonal in [false, true] {
                rules.append(HoldRule(hold: hold, seasonal: seasonal, base: configuration.min))
            }
        }
        chosen = (rules.count - 1, 0)
    }

    // MARK: what happens

    mutating func observe(queued: Int, inflight: Int, alive: Int, until now: PoolTime) {
        let timeouts = max(held.highest(within: longest, before: now), minimum)
        budget.account(knative: shadow.machines, timeouts: timeouts, alive: alive, until: now)
        shadow.observe(queued: queued, inflight: inflight, until: now)
        if nextEvaluation == nil { nextEvaluation = now + Self.shortest }
        if let start = current.start, now - start < Self.slot { return }
        close(until: now)
        open(queued: queued, inflight: inflight, at: now)
    }

    /// A request came and makes it `queued` and `inflight`; it got a machine at once, or waits.
    mutating func arrived(queued: Int, inflight: Int, served: Bool) {
        requests += 1
        isQuiet = false
        // Where all that there may be are full, no rule could have helped.
        if !served, inflight < maximum * hard {
            late += 1
            rules[chosen.rule].surprised()
        }
        let needed = machines(queued + inflight)
        asked[needed] += 1
        current.asked = (min(current.asked.lowest, needed), max(current.asked.highest, needed))
        current.peak = max(current.peak, worth(queued: queued, inflight: inflight))
        current.held = max(current.held, machines(inflight))
    }

    mutating func served(_ mean: Double?) {
        service = mean
        shadow.served(mean)
    }

    mutating func started(_ kind: StartKind, cost: Int64) {
        switch kind {
        case .booted: bootCost.add(Double(cost))
        case .restored: restoreCost.add(Double(cost))
        case .resumed, .idle: break
        }
    }

    // MARK: what is decided

    mutating func evaluate(_ view: PoolView, at now: PoolTime) -> ScaleTarget? {
        maximum = min(view.maximum, asked.count - 1)
        restores = view.restores
        running = view.idle + view.busy
        shadow.evaluate(view, startCost: startCost, at: now)
        close(until: now)
        open(queued: view.queued, inflight: view.inflight, at: now)
        if now - lastChoice >= Self.rest {
            lastChoice = now
            choose()
            base = expected(rules[chosen.rule], at: now)
        }
        // Spare machines are for the load there has been: without any for so long, the pool rests at its minimum.
        isQuiet = view.queued + view.inflight == 0 && held.highest(within: longest, before: now) == 0
        let size = floor(queued: view.queued, inflight: view.inflight)
        let isBusy = view.queued + view.inflight > 0 || size < view.alive
        let isOver = !isBusy && size <= minimum && (seasons.period == nil || !seasons.remembers(at: now))
        let pace = min(Self.tick, max(Self.shortest, rules[chosen.rule].hold / 4))
        nextEvaluation = isOver ? nil : now + (isBusy ? pace : Self.rest)
        if isOver { current.start = nil }
        return ScaleTarget(running: size, alive: size)
    }

    /// Machines there have to be while so many requests are here.
    func floor(queued: Int, inflight: Int) -> Int {
        let level = max(base, worth(queued: queued, inflight: inflight))
        return min(max(level + (isQuiet ? 0 : chosen.margin), minimum), maximum)
    }

    /// Machines the requests that are here should have, at most `needed`.
    func hedged(_ view: HedgeView) -> Int {
        startsBeat(queued: view.queued, running: view.running) ? view.needed : min(view.needed, view.running)
    }

    /// Machines that so many requests are worth: those that wait count if a start beats their turn.
    private func worth(queued: Int, inflight: Int) -> Int {
        machines(queued > 0 && startsBeat(queued: queued, running: running) ? queued + inflight : inflight)
    }

    private func startsBeat(queued: Int, running: Int) -> Bool {
        guard running > 0, let service else { return true }
        return Double(queued) / Double(running * hard) * service > Double(startCost)
    }

    private func machines(_ requests: Int) -> Int { min((requests + soft - 1) / soft, maximum) }

    /// Nanoseconds until a machine started now would serve.
    private var startCost: Int64 { Int64((restores ? restoreCost.value : nil) ?? bootCost.value ?? Self.second) }

    // MARK: what is learned

    private mutating func open(queued: Int, inflight: Int, at now: PoolTime) {
        current.start = now
        current.behind = queued > 0
        current.peak = worth(queued: queued, inflight: inflight)
        current.held = machines(inflight)
    }

    /// Judges every rule by the requests of the slot that is over, and moves them to the next one.
    private mutating func close(until now: PoolTime) {
        guard let start = current.start else { return }
        judge()
        recent.add(current.peak, at: now)
        held.add(current.held, at: now)
        seasons.observe(current.peak, at: start)
        pending.append((now, current.peak))
        let begun = now + -startCost
        let passed = pending.firstIndex { $0.at > begun } ?? pending.count
        for entry in pending[..<passed] { known.add(entry.level, at: entry.at) }
        pending.removeFirst(passed)
        let season = max(seasons.level(at: now, lead: startCost), minimum)
        let span = Double(now - start) / Self.second
        for rule in rules.indices {
            let ahead = rules[rule].seasonal ? season : minimum
            let hold = rules[rule].hold
            rules[rule].move(
                to: min(max(ahead, recent.highest(within: hold + startCost, before: now)), maximum),
                ready: min(max(ahead, known.highest(within: hold, before: begun)), maximum), after: span)
        }
        base = rules[chosen.rule].base
    }

    private mutating func judge() {
        guard current.asked.lowest <= current.asked.highest else { return }
        for machines in current.asked.lowest...current.asked.highest where asked[machines] > 0 {
            let count = Double(asked[machines])
            asked[machines] = 0
            rules[chosen.rule].foresee(machines, margin: chosen.margin, requests: count)
            // Before there is a period, what is seasonal has nothing to say.
            for rule in rules.indices where !rules[rule].seasonal || seasons.period != nil {
                rules[rule].judge(machines, requests: count, behind: current.behind)
            }
        }
        current.asked = (.max, 0)
    }

    /// What a rule holds now.
    private func expected(_ rule: HoldRule, at now: PoolTime) -> Int {
        let level = recent.highest(within: rule.hold + startCost, before: now)
        return max(level, minimum, rule.seasonal ? seasons.level(at: now, lead: startCost) : 0)
    }

    private mutating func choose() {
        let limit = budget.machineSeconds
        chosen = cheapest(within: limit) ?? mostReady(within: limit) ?? (0, 0)
        guard requests > Self.memory else { return }
        requests /= 2
        late /= 2
        budget.fade()
        for index in rules.indices { rules[index].fade() }
    }

    /// The cheapest rule that would have let few enough requests wait.
    private func cheapest(within limit: Double) -> (rule: Int, margin: Int)? {
        // What no rule sees, such as the limit of starts at once, makes them too sure.
        let surprise = max(1, (late + 10) / rules.reduce(10) { $0 + $1.foreseen })
        let aim = min(max(Self.tolerable - late / max(1, requests), Self.aims.lowerBound), Self.aims.upperBound)
        let price = Self.startPrice * Double(startCost) / Self.second
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
    private func mostReady(within limit: Double) -> (rule: Int, margin: Int)? {
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
