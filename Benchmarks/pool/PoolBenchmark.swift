import Glibc
import MachinePool

/// Decisions per second of the reducer, and the policies side by side on every load shape.
@main
enum PoolBenchmark {
    static func main() {
        decisions(machines: 1000)
        for snapshots in [true, false] { policies(snapshots: snapshots) }
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

    private static func policies(snapshots: Bool) {
        var configuration = PoolConfiguration()
        configuration.max = 20
        var settings = SimulationSettings()
        settings.snapshots = snapshots
        print(snapshots ? "\nrestores of 20 ms" : "\nboots of 1500 ms")
        print(row(["shape", "policy", "wait p50", "wait p99", "met start", "shed", "machine-s", "running-s", "peak"]))
        var better = 0
        for shape in LoadShape.allCases {
            let trace = shape.trace(seed: 1)
            var results: [PolicyKind: SimulationResult] = [:]
            for policy in PolicyKind.allCases {
                configuration.policy = policy
                let result = Simulation.run(trace, configuration, settings)
                results[policy] = result
                print(line(shape.rawValue, policy.rawValue, result))
            }
            print(line(shape.rawValue, "bound", ClairvoyantBound.result(for: trace, configuration)))
            guard let ours = results[.forecast], let kpa = results[.kpa], let reactive = results[.reactive] else {
                continue
            }
            let beatsKPA = ours.waitP99 < kpa.waitP99 && ours.machineSeconds <= kpa.machineSeconds
            let beatsReactive = ours.waitP99 < reactive.waitP99 && ours.machineSeconds <= reactive.machineSeconds
            print("  forecast better than kpa: \(beatsKPA), than reactive: \(beatsReactive)")
            if beatsKPA { better += 1 }
        }
        print("forecast has the lower p99 wait at no more machine-seconds than kpa on \(better) shapes")
    }

    private static func line(_ shape: String, _ policy: String, _ result: SimulationResult) -> String {
        row([
            shape, policy, "\((result.waitP50 * 10).rounded() / 10)", "\((result.waitP99 * 10).rounded() / 10)",
            "\(((result.coldShare + result.restoreShare) * 10_000).rounded() / 100) %", "\(result.shed)",
            "\(Int(result.machineSeconds))", "\(Int(result.runningSeconds))", "\(result.peakMachines)",
        ])
    }

    private static func row(_ cells: [String]) -> String {
        cells.map { $0 + String(repeating: " ", count: max(1, 12 - $0.count)) }.joined()
    }
}
