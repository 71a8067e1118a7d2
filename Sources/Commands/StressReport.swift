import LoadTest

/// The result of a load test for people: a row for each phase, and the box.
struct StressReport {
    let result: LoadResult

    func render() -> String {
        var table = Table(headings: ["PHASE", "CLIENTS", "REQUESTS", "FAILED", "REQ/S", "P50", "P95", "P99"])
        for phase in result.phases where phase.seconds > 0 {
            let tally = phase.tally
            table.rows.append(
                [
                    phase.phase.rawValue, "\(phase.clients)", "\(tally.total)", "\(tally.failed)",
                    "\((Double(tally.succeeded) / phase.seconds * 10).rounded() / 10)",
                ] + [0.5, 0.95, 0.99].map { Self.time(tally.latency.percentile($0)) })
        }
        return table.render() + "\n" + Box.around(lines)
    }

    private var lines: [String] {
        let total = result.total
        var lines = [
            "🔥 fcctl stress" + (result.isInterrupted ? ", interrupted" : ""), "",
            result.target.description,
            "Requests:  \(StatusBlock.grouped(total.total)) total \(StatusBlock.grouped(total.succeeded)) succeeded "
                + "\(StatusBlock.grouped(total.failed)) failed",
            "Latency:   "
                + [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)].map { name, share in
                    "\(name) \(Self.time(total.latency.percentile(share)))"
                }.joined(separator: " "),
            "Starts:    " + starts(total),
        ]
        for (failure, count) in total.failures.sorted(by: { $0.value > $1.value }).prefix(5) {
            lines.append("Failed:    \(count) × \(failure)")
        }
        if let first = result.coolDown.first, let last = result.coolDown.last {
            lines.append("Cool-down: \(Self.machines(first)) → \(Self.machines(last))")
        }
        return lines
    }

    private func starts(_ total: LoadTally) -> String {
        let words = [("cold", total.cold), ("warm", total.warm), ("snapshot", total.snapshot)]
        return words.map { word, starts in
            "\(starts.count) \(word)" + (starts.average.map { " (\(StatusBlock.duration($0)))" } ?? "")
        }.joined(separator: " ")
    }

    private static func machines(_ sample: PoolSample) -> String {
        "\(sample.idle) idle \(sample.busy) busy \(sample.paused) paused of \(sample.total)"
    }

    private static func time(_ milliseconds: Double?) -> String { milliseconds.map(StatusBlock.duration) ?? "-" }
}
