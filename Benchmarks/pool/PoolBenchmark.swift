import Glibc
import MachinePool

/// Decisions per second of the reducer under each policy.
@main
enum PoolBenchmark {
    static func main() {
        for checks in [false, true] {
            for policy in PolicyKind.allCases { decisions(machines: 1000, policy, checks: checks) }
        }
    }

    /// Requests that come and go on a pool of running machines, most of them busy: one arrival and one return are two.
    /// `checks`: with the rules checked after each event, as in a running gateway.
    private static func decisions(machines: Int, _ policy: PolicyKind, checks: Bool) {
        var configuration = PoolConfiguration()
        configuration.min = machines
        configuration.max = machines
        configuration.startsInFlight = machines
        configuration.policy = policy
        var state = PoolState(configuration: configuration)
        var watch = PoolWatch(concurrency: 1)
        var time = PoolTime(nanoseconds: 1)
        func decide(_ event: PoolEvent) -> [PoolAction] {
            let actions = state.handle(event, at: time)
            if checks { _ = watch.check(&state, after: event, actions, at: time) }
            return actions
        }
        for action in decide(.timerFired) {
            if case .start(let machine, _) = action { _ = decide(.machine(.ready(machine))) }
        }
        var random = SplitMix64(seed: 1)
        var leases: [MachineRef] = []
        var ticket: UInt64 = 0
        let count = 2_000_000
        let start = processorTime()
        for _ in 0..<count {
            time = time + 1000
            if leases.count < machines / 10 || leases.count < machines && random.next() & 1 == 0 {
                ticket += 1
                for action in decide(.requestArrived(Ticket(number: ticket), priority: false)) {
                    if case .grant(_, let grant) = action { leases.append(grant.machine) }
                }
            } else {
                let index = random.below(leases.count)
                leases.swapAt(index, leases.count - 1)
                _ = decide(.leaseEnded(leases.removeLast(), .ok, held: 1000))
            }
        }
        let rate = Int(Double(count) / (processorTime() - start))
        let what = checks ? "every rule checked, \(watch.violations) broken" : "no checks"
        print("\(policy.rawValue): \(rate) decisions/s with \(machines) machines, \(what)")
    }

    /// Seconds of processor time, so that a busy machine does not change the figure.
    private static func processorTime() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
