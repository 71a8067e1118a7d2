import LinuxHost
import VMM

/// What `fcctl bench` found out.
struct BenchmarkReport: Encodable, Sendable {
    struct Host: Encodable, Sendable {
        let cpu: String
        let cores: Int
        let kernel: String
        let vmm: String
        let isolation: String

        static func current(_ host: HostSetup) -> Host {
            let monitor = host.hypervisor.monitor
            return Host(
                cpu: HostIdentity.processor, cores: HostIdentity.cores, kernel: HostIdentity.kernelRelease,
                vmm: "\(monitor.kind.rawValue) \(monitor.version)", isolation: monitor.isolation.rawValue)
        }
    }

    /// Times of one kind of start, in milliseconds.
    struct Runs: Encodable, Sendable {
        let n: Int
        let p50: Double
        let p90: Double
        let p99: Double
        /// Means.
        let phases: [String: Double]

        private enum CodingKeys: String, CodingKey {
            case n
            case p50 = "p50_ms"
            case p90 = "p90_ms"
            case p99 = "p99_ms"
            case phases = "phases_ms"
        }

        /// nil when there was no run.
        init?(_ samples: [StartSample]) {
            guard !samples.isEmpty else { return nil }
            let sorted = samples.map(\.total).sorted()
            func percentile(_ share: Double) -> Double {
                // The smallest value that is not exceeded by `share` of them.
                let rank = Int((share * Double(sorted.count)).rounded(.up)) - 1
                return Self.rounded(sorted[min(max(rank, 0), sorted.count - 1)])
            }
            n = sorted.count
            p50 = percentile(0.5)
            p90 = percentile(0.9)
            p99 = percentile(0.99)
            var sums: [String: Double] = [:]
            for (name, time) in samples.flatMap(\.phases) { sums[name, default: 0] += time }
            phases = sums.mapValues { Self.rounded($0 / Double(samples.count)) }
        }

        private static func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
    }

    let host: Host
    let runs: [String: Runs]

    var table: String {
        var table = Table(headings: ["START", "RUNS", "P50 MS", "P90 MS", "P99 MS", "PHASES (MEAN MS)"])
        for name in ["cold", "snapshot", "standby", "warm"] {
            guard let run = runs[name] else { continue }
            let phases = run.phases.sorted { $0.value > $1.value }.map { "\($0.key) \(text($0.value))" }
            table.rows.append([
                name, "\(run.n)", text(run.p50), text(run.p90), text(run.p99), phases.joined(separator: ", "),
            ])
        }
        return "\(host.cpu), \(host.cores) cores, Linux \(host.kernel), \(host.vmm), \(host.isolation)\n"
            + table.render()
    }

    private func text(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}

/// One measured start, in milliseconds.
struct StartSample: Sendable {
    let total: Double
    let phases: [(String, Double)]
}
