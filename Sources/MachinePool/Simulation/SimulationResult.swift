/// What a policy made of a trace.
package struct SimulationResult: Sendable, Codable, Equatable {
    /// Of the requests that got a machine.
    package var waitP50 = 0.0
    package var waitP99 = 0.0
    /// Shares of the granted requests that waited for a boot or a restore.
    package var coldShare = 0.0
    package var restoreShare = 0.0
    /// Requests refused, and those whose client left.
    package var shed = 0
    package var aborted = 0
    package var requests = 0
    /// Every machine from its start until it is gone.
    package var machineSeconds = 0.0
    /// The same without the time in which it was paused.
    package var runningSeconds = 0.0
    package var peakMachines = 0
    /// Rules broken on the way; empty.
    package var violations: [String] = []
    /// Machines over time, for a chart: about a thousand points.
    package var course: [CoursePoint] = []

    package struct CoursePoint: Sendable, Codable, Equatable {
        /// Seconds from the start of the run; the point is for the time from here to the next one.
        package var time: Double
        /// The mean of the span.
        package var machines: Double
        /// The most requests that waited at once.
        package var waiting: Int
    }

    private enum CodingKeys: String, CodingKey {
        case shed, aborted, requests
        case waitP50 = "wait_p50_ms"
        case waitP99 = "wait_p99_ms"
        case coldShare = "cold_share"
        case restoreShare = "restore_share"
        case machineSeconds = "machine_seconds"
        case runningSeconds = "running_seconds"
        case peakMachines = "peak_machines"
    }

    /// The least value that `share` of the sorted values do not exceed; 0 of none.
    static func percentile(_ share: Double, of sorted: [Double]) -> Double {
        guard !sorted.isEmpty else { return 0 }
        let rank = Int((share * Double(sorted.count)).rounded(.up)) - 1
        return sorted[min(max(rank, 0), sorted.count - 1)]
    }
}

/// All policies on one trace, and what no policy can beat.
package struct SimulationReport: Sendable, Codable, Equatable {
    package var policies: [String: SimulationResult] = [:]
    package var bound = SimulationResult()

    package init(policies: [String: SimulationResult], bound: SimulationResult) {
        self.policies = policies
        self.bound = bound
    }
}
