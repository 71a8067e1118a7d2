import MachinePool

/// What policies made of the same load, for people and for programs.
struct PolicyComparison {
    let requests: Int
    let bound: SimulationResult
    var policies: [(name: String, result: SimulationResult)] = []

    init(requests: Int, bound: SimulationResult) {
        self.requests = requests
        self.bound = bound
    }

    /// A row for each policy and one for the bound. The last column is machine-seconds over those of the bound.
    var table: String {
        var table = Table(headings: [
            "POLICY", "WAIT P50", "WAIT P99", "COLD", "RESTORE", "SHED", "LEFT", "MACHINE-S", "RUNNING-S", "PEAK",
            "OF BOUND",
        ])
        for (name, result) in policies + [("bound", bound)] {
            table.rows.append([
                name, Self.milliseconds(result.waitP50), Self.milliseconds(result.waitP99),
                Self.percent(result.coldShare), Self.percent(result.restoreShare), "\(result.shed)",
                "\(result.aborted)",
                "\(Int(result.machineSeconds.rounded()))", "\(Int(result.runningSeconds.rounded()))",
                "\(result.peakMachines)", ratio(result),
            ])
        }
        return table.render() + "\n\(requests) requests"
    }

    var document: Document {
        Document(
            policies: Dictionary(policies.map { ($0.name, Row($0.result)) }) { first, _ in first }, bound: Row(bound))
    }

    /// The JSON of `-o json`.
    struct Document: Encodable {
        let policies: [String: Row]
        let bound: Row
    }

    struct Row: Encodable {
        let wait_p50_ms: Double
        let wait_p99_ms: Double
        let cold_share: Double
        let restore_share: Double
        let shed: Int
        let machine_seconds: Double
        let running_seconds: Double
        let peak_machines: Int

        init(_ result: SimulationResult) {
            wait_p50_ms = Self.rounded(result.waitP50)
            wait_p99_ms = Self.rounded(result.waitP99)
            cold_share = Self.rounded(result.coldShare)
            restore_share = Self.rounded(result.restoreShare)
            shed = result.shed
            machine_seconds = Self.rounded(result.machineSeconds)
            running_seconds = Self.rounded(result.runningSeconds)
            peak_machines = result.peakMachines
        }

        /// To the sixth place: what follows is noise of the arithmetic.
        private static func rounded(_ value: Double) -> Double { (value * 1e6).rounded() / 1e6 }
    }

    private func ratio(_ result: SimulationResult) -> String {
        guard bound.machineSeconds > 0 else { return "-" }
        return "\((result.machineSeconds / bound.machineSeconds * 100).rounded() / 100)×"
    }

    private static func milliseconds(_ value: Double) -> String { "\((value * 10).rounded() / 10) ms" }

    private static func percent(_ share: Double) -> String { "\((share * 10_000).rounded() / 100) %" }
}
