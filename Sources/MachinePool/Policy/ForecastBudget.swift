/// The machine-seconds that may be spent: no more than Knative's autoscaler or the time-outs alone would.
struct ForecastBudget: Sendable {
    /// The part of Knative's above the minimum that may be spent; the rest is for what its shadow gets wrong.
    private static let share = 0.98
    /// Machine-seconds that may be spent before there is anything to go by, and are saved again later: the first minute
    /// has more surprises than any other.
    static let credit = 240.0
    /// Seconds in which what was saved may be spent, and what was overspent is saved.
    private static let horizon = 300.0

    /// Seconds, and the machine-seconds that each would have spent in them.
    private var seconds = 0.0
    private var knative = 0.0
    private var timeouts = 0.0
    /// What each would have spent more than this pool did.
    private var saved = (knative: 0.0, timeouts: 0.0)
    private var last: PoolTime?

    /// Since the last call there have been `alive` machines, and the others would have had so many.
    mutating func account(knative: Int, timeouts: Int, alive: Int, minimum: Int, until now: PoolTime) {
        defer { last = now }
        guard let last else { return }
        let span = Double(now - last) / 1_000_000_000
        let allowed = Double(minimum) + Self.share * Double(max(0, knative - minimum))
        seconds += span
        self.knative += span * allowed
        self.timeouts += span * Double(timeouts)
        saved.knative += span * (allowed - Double(alive))
        saved.timeouts += span * Double(timeouts - alive)
    }

    /// What a rule may have spent in all the time there has been, to be worth following from now on.
    var machineSeconds: Double {
        Self.credit + min(knative, timeouts) + min(saved.knative, saved.timeouts) / Self.horizon * max(1, seconds)
    }

    /// Halves the weight of all there has been; what was saved stays.
    mutating func fade() {
        seconds /= 2
        knative /= 2
        timeouts /= 2
    }
}
