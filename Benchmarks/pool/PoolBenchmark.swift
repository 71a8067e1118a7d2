import Glibc
import MachinePool

/// Decisions per second of the reducer under each policy.
@main
enum PoolBenchmark {
    static func main() {
        decisions(machines: 1000)
    }

    /// Requests that come and go on a pool of running machines, most of them busy: one arrival and one return are two.
    private static func decisions(machines: Int) {
        for policy in PolicyKind.allCases {
            var configuration = PoolConfiguration()
            configuration.min = machines
            configuration.max = machines
            configuration.startsInFlight = machines
            configuration.policy = policy
            var state = PoolState(configuration: configuration)
            var time = PoolTime(nanoseconds: 1)
            for action in state.handle(.timerFired, at: time) {
                if case .start(let machine, _) = action { _ = state.handle(.machine(.ready(machine)), at: time) }
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
                    let actions = state.handle(.requestArrived(Ticket(number: ticket), priority: false), at: time)
                    for action in actions {
                        if case .grant(_, let grant) = action { leases.append(grant.machine) }
                    }
                } else {
                    let index = random.below(leases.count)
                    leases.swapAt(index, leases.count - 1)
                    _ = state.handle(.leaseEnded(leases.removeLast(), .ok, held: 1000), at: time)
                }
            }
            let seconds = processorTime() - start
            print("\(policy.rawValue): \(Int(Double(count) / seconds)) decisions/s with \(machines) machines")
        }
    }

    /// Seconds of processor time, so that a busy machine does not change the figure.
    private static func processorTime() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
