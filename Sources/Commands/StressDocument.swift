import LoadTest

/// The result of a load test for programs.
struct StressDocument: Encodable {
    struct Latency: Encodable {
        let p50, p95, p99, max, mean: Double?

        init(_ histogram: LatencyHistogram) {
            p50 = histogram.percentile(0.5)
            p95 = histogram.percentile(0.95)
            p99 = histogram.percentile(0.99)
            max = histogram.maximum
            mean = histogram.mean
        }

        // Nulls are written out, so that every result has the same keys.
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            for (key, value) in [
                (CodingKeys.p50, p50), (.p95, p95), (.p99, p99), (.max, max), (.mean, mean),
            ] { try container.encode(value, forKey: key) }
        }

        private enum CodingKeys: String, CodingKey { case p50, p95, p99, max, mean }
    }

    struct Start: Encodable {
        let count: Int
        let avg_ms: Double

        init(_ starts: LoadTally.Starts) {
            count = starts.count
            avg_ms = ((starts.average ?? 0) * 1000).rounded() / 1000
        }
    }

    struct Starts: Encodable { let cold, warm, snapshot: Start }

    struct Phase: Encodable {
        let phase: String
        let clients: Int
        let seconds: Double
        let total, succeeded, failed: Int
        let failures: [String: Int]
        let latency_ms, failed_latency_ms: Latency
    }

    let url: String
    let max_concurrency: Int
    let rate: Double?
    let interrupted: Bool
    let total, succeeded, failed: Int
    let failures: [String: Int]
    /// Of requests that succeeded, and of those that were answered but did not.
    let latency_ms, failed_latency_ms: Latency
    let starts: Starts
    let phases: [Phase]
    let cool_down: [PoolSample]

    init(_ result: LoadResult) {
        let all = result.total
        url = result.target.description
        max_concurrency = result.maxConcurrency
        rate = result.rate
        interrupted = result.isInterrupted
        total = all.total
        succeeded = all.succeeded
        failed = all.failed
        failures = all.failures
        latency_ms = Latency(all.latency)
        failed_latency_ms = Latency(all.failedLatency)
        starts = Starts(cold: Start(all.cold), warm: Start(all.warm), snapshot: Start(all.snapshot))
        phases = result.phases.map { phase in
            Phase(
                phase: phase.phase.rawValue, clients: phase.clients,
                seconds: (phase.seconds * 1000).rounded() / 1000, total: phase.tally.total,
                succeeded: phase.tally.succeeded, failed: phase.tally.failed, failures: phase.tally.failures,
                latency_ms: Latency(phase.tally.latency), failed_latency_ms: Latency(phase.tally.failedLatency))
        }
        cool_down = result.coolDown
    }
}
