/// How many requests one machine should hold at once, learned from how long they take: `--concurrency auto`.
///
/// Requests are followed in cohorts: all that are granted from some moment on, until nearly all of them are answered, so
/// that the quick ones count no more than the slow. A cohort on machines that are at most half full shows what a request
/// costs without a queue: the baseline. One on fuller machines is compared with it: while its requests take no longer
/// the limit grows by its square root; once they do it goes to the share that needs no queue and a little beyond.
/// Under a load that leaves no machine half empty a probe makes them so for a moment, as no baseline is true for ever.
struct LearnedConcurrency: Sendable {
    struct Parameters: Sendable {
        var first = 4.0
        /// Requests of a cohort, or twice the limit up to `largest`.
        var cohort = 48
        var largest = 512
        /// How much longer than the baseline is still no queue.
        var tolerance = 1.2
        var probeEvery: Int64 = 20_000_000_000
    }

    private struct Cohort: Sendable {
        let size: Int
        let begin: PoolTime
        /// When the last of its requests was granted.
        var end: PoolTime?
        var granted = 0
        /// Requests that found their machine more than half full, and whether one filled it.
        var crowded = 0
        var isFull = false
        var answers: [Int64] = []
    }

    private let most: Int
    private let parameters: Parameters
    private var estimate: Double
    private var cohort: Cohort
    private var probeDue: PoolTime?
    /// Nanoseconds a request takes without a queue. Nil: not known yet.
    private(set) var baseline: Double?
    /// When a probe that finds too few requests is given up. Nil: there is no probe.
    private(set) var probeEnds: PoolTime?

    /// `most` is never exceeded.
    init(most: Int, _ parameters: Parameters = Parameters()) {
        self.most = most
        self.parameters = parameters
        estimate = min(parameters.first, Double(most))
        cohort = Cohort(size: parameters.cohort, begin: .zero)
    }

    /// Requests a machine should hold; what decides how many machines there are.
    var limit: Int { min(max(1, Int(estimate)), most) }

    /// Requests a machine is given now: less than `limit` during a probe.
    var cap: Int { probeEnds == nil ? limit : half }

    /// Up to here a machine counts as half empty.
    private var half: Int { max(1, limit / 2) }

    /// A request was put on a machine that holds `load` with it.
    mutating func granted(load: Int, at now: PoolTime) {
        guard cohort.end == nil else { return }
        cohort.granted += 1
        if load > half { cohort.crowded += 1 }
        if load >= limit { cohort.isFull = true }
        if cohort.granted == cohort.size { cohort.end = now }
    }

    /// A request was answered after `held` nanoseconds.
    mutating func answered(held: Int64, at now: PoolTime) {
        let granted = now + -held
        guard granted >= cohort.begin, granted <= cohort.end ?? now else { return tick(at: now) }
        cohort.answers.append(held)
        if cohort.end != nil, cohort.answers.count >= fastest { judge(at: now) } else { tick(at: now) }
    }

    /// Ends a probe, and a cohort whose last requests stay out, after a time.
    mutating func tick(at now: PoolTime) {
        if let probeEnds {
            if now >= probeEnds { judge(at: now) }
        } else if let end = cohort.end, now - end > patience {
            judge(at: now)
        }
    }

    /// The answers that count: the slowest tenth says more about clients and streams than about the machine.
    private var fastest: Int { cohort.size - cohort.size / 10 }

    private var patience: Int64 { max(2_000_000_000, Int64(baseline ?? 0) * 8) }

    private mutating func judge(at now: PoolTime) {
        let finished = cohort
        let isProbe = probeEnds != nil
        probeEnds = nil
        defer { begin(at: now) }
        // A tenth of the time is enough for probes.
        if isProbe { probeDue = now + max(parameters.probeEvery, (now - finished.begin) * 10) }
        // With most of its requests still out nothing is known.
        guard finished.answers.count * 2 >= finished.size else { return }
        let answers = finished.answers.sorted().prefix(fastest)
        let cost = max(1, Double(answers.reduce(0, +)) / Double(answers.count))
        if isProbe || finished.crowded == 0 { baseline = baseline.map { ($0 + cost) / 2 } ?? cost }
        if isProbe { return }
        if finished.crowded == 0 { probeDue = now + parameters.probeEvery }
        if half == limit || finished.crowded * 2 >= finished.granted { adjust(cost, finished.isFull, at: now) }
    }

    private mutating func adjust(_ cost: Double, _ isFull: Bool, at now: PoolTime) {
        guard let baseline, let probeDue, now < probeDue || half == limit else {
            // As long as one machine needs for it, should there be only one.
            let rounds = Double(cohortSize / half + 2)
            probeEnds = now + max(2_000_000_000, Int64(cost * rounds))
            return
        }
        // An app that has become faster shows it under any load.
        if cost < baseline * 0.8 { self.baseline = cost }
        let share = max(0.5, baseline * parameters.tolerance / cost)
        if share < 1 {
            estimate += (estimate * share + estimate.squareRoot() / 2 - estimate) / 2
        } else if isFull {
            estimate += estimate.squareRoot()
        }
        estimate = min(max(1, estimate), Double(most))
    }

    private mutating func begin(at now: PoolTime) {
        var answers = cohort.answers
        answers.removeAll(keepingCapacity: true)
        cohort = Cohort(size: cohortSize, begin: now, answers: answers)
    }

    private var cohortSize: Int { min(max(parameters.cohort, limit * 2), parameters.largest) }
}
