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

    private var book: RuleBook
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
        book = RuleBook(shortest: 4 * Self.shortest, longest: longest, minimum: configuration.min)
    }

    // MARK: what happens

    mutating func observe(queued: Int, inflight: Int, alive: Int, until now: PoolTime) {
        let timeouts = max(held.highest(within: longest, before: now), minimum)
        budget.account(
            knative: shadow.machines, timeouts: timeouts, alive: alive, minimum: minimum, until: now)
        shadow.observe(queued: queued, inflight: inflight, until: now)
        if nextEvaluation == nil { nextEvaluation = now + Self.shortest }
        if let start = current.start, now - start < Self.slot { return }
        close(until: now)
        open(queued: queued, inflight: inflight, at: now)
    }

    /// A request came and makes it `queued` and `inflight`; it got a machine at once, or waits.
    mutating func arrived(queued: Int, inflight: Int, served: Bool) {
        isQuiet = false
        // Where all that there may be are full, no rule could have helped.
        book.count(late: !served && inflight < maximum * hard)
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
        if now - lastChoice >= Self.rest { choose(at: now) }
        // Spare machines are for the load there has been: without any for so long, the pool rests at its minimum.
        isQuiet = view.queued + view.inflight == 0 && held.highest(within: longest, before: now) == 0
        let size = floor(queued: view.queued, inflight: view.inflight)
        let isBusy = view.queued + view.inflight > 0 || size < view.alive
        let isOver = !isBusy && size <= minimum && (seasons.period == nil || !seasons.remembers(at: now))
        let pace = min(Self.tick, max(Self.shortest, book.hold / 4))
        nextEvaluation = isOver ? nil : now + (isBusy ? pace : Self.rest)
        if isOver { current.start = nil }
        return ScaleTarget(running: size, alive: size)
    }

    /// Machines there have to be while so many requests are here.
    func floor(queued: Int, inflight: Int) -> Int {
        let level = max(base, worth(queued: queued, inflight: inflight))
        return min(max(level + (isQuiet ? 0 : book.margin), minimum), maximum)
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
        let startCost = startCost
        let begun = now + -startCost
        let passed = pending.firstIndex { $0.at > begun } ?? pending.count
        for entry in pending[..<passed] { known.add(entry.level, at: entry.at) }
        pending.removeFirst(passed)
        let season = max(seasons.level(at: now, lead: startCost), minimum)
        let span = Double(now - start) / Self.second
        book.move(season: season, minimum: minimum, maximum: maximum, after: span) { hold in
            (
                recent.highest(within: hold + startCost, before: now),
                known.highest(within: hold, before: begun)
            )
        }
        base = book.base
    }

    private mutating func judge() {
        guard current.asked.lowest <= current.asked.highest else { return }
        for machines in current.asked.lowest...current.asked.highest where asked[machines] > 0 {
            let count = Double(asked[machines])
            asked[machines] = 0
            // Before there is a period, what is seasonal has nothing to say.
            book.judge(machines, requests: count, behind: current.behind, seasonal: seasons.period != nil)
        }
        current.asked = (.max, 0)
    }

    private mutating func choose(at now: PoolTime) {
        lastChoice = now
        let isFull = book.choose(
            within: budget.machineSeconds, maximum: maximum, startSeconds: Double(startCost) / Self.second)
        if isFull { budget.fade() }
        let level = recent.highest(within: book.hold + startCost, before: now)
        base = max(level, minimum, book.isSeasonal ? seasons.level(at: now, lead: startCost) : 0)
    }
}
