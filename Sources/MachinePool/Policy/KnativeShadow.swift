/// What Knative's autoscaler would have, fed the load of this pool.
///
/// It has other machines than this pool, so that requests wait there which were served here: they are part of its load.
struct KnativeShadow: Sendable {
    private var policy: KPAPolicy
    private var concurrency: Double
    /// Requests that it has besides those here.
    private var backlog = 0.0
    private var service: Double?
    private var last: PoolTime?

    init(_ configuration: PoolConfiguration) {
        policy = KPAPolicy(configuration)
        concurrency = Double(configuration.concurrency)
    }

    mutating func follow(soft: Int, hard: Int) {
        policy.follow(concurrency: soft)
        concurrency = Double(hard)
    }

    /// Machines it has, and how many of them have come up.
    var machines: Int { policy.desired }
    private var ready = 1
    private var rising: (count: Int, at: PoolTime)?

    mutating func observe(queued: Int, inflight: Int, until now: PoolTime) {
        let before = backlog
        drain(queued: queued, inflight: inflight, until: now)
        let between = ((before + backlog) / 2).rounded()
        policy.observe(demand: max(0, queued + inflight + Int(between)), until: now)
    }

    /// Lets its machines work on what it has.
    private mutating func drain(queued: Int, inflight: Int, until now: PoolTime) {
        defer { last = now }
        guard let last, let service, service > 0 else { return }
        let lanes = Double(ready) * concurrency
        let load = max(0, Double(queued + inflight) + backlog)
        let done = min(lanes, load) * Double(now - last) / service
        backlog = max(backlog - done, -Double(queued) - min(lanes, Double(inflight)))
    }

    /// A request was answered here; there it may still be waiting.
    mutating func served(_ mean: Double?) {
        service = mean
        backlog += 1
    }

    mutating func evaluate(_ view: PoolView, startCost: Int64, at now: PoolTime) {
        if let coming = rising, now >= coming.at {
            ready = max(ready, min(coming.count, machines))
            rising = nil
        }
        guard let due = policy.nextEvaluation, now >= due else { return }
        var pretended = view
        pretended.idle = ready
        pretended.busy = 0
        pretended.alive = machines
        _ = policy.evaluate(pretended, at: now)
        ready = min(ready, max(1, machines))
        if machines > ready, rising == nil { rising = (machines, now + startCost) }
    }
}
