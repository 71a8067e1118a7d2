import FoundationEssentials
import MachinePool
import Testing

@testable import Commands

@Suite struct SimulationOutputTests {
    private func comparison() -> PolicyComparison {
        let load = LoadShape.burst.trace(seed: 1, length: 130)
        var comparison = PolicyComparison(
            requests: load.requests.count, bound: ClairvoyantBound.result(for: load, PoolConfiguration()))
        for policy in PolicyKind.allCases {
            var configuration = PoolConfiguration()
            configuration.policy = policy
            comparison.policies.append(
                (policy.rawValue, Simulation.run(load, configuration, SimulationSettings())))
        }
        return comparison
    }

    @Test func `the document has each policy and the bound with the same figures`() throws {
        let data = try JSONEncoder().encode(comparison().document)
        let keys: Set = [
            "wait_p50_ms", "wait_p99_ms", "cold_share", "restore_share", "shed", "machine_seconds", "running_seconds",
            "peak_machines",
        ]
        struct Shape: Decodable {
            let policies: [String: [String: Double]]
            let bound: [String: Double]
        }
        let shape = try JSONDecoder().decode(Shape.self, from: data)
        #expect(Set(shape.policies.keys) == ["reactive", "kpa", "forecast"])
        #expect(shape.policies.values.allSatisfy { Set($0.keys) == keys })
        #expect(Set(shape.bound.keys) == keys)
        let least = shape.bound["machine_seconds"] ?? .infinity
        #expect(shape.policies.values.allSatisfy { ($0["machine_seconds"] ?? 0) >= least })
        #expect(shape.bound["peak_machines"] ?? 99 <= 10, "the bound keeps to --max")
    }

    @Test(arguments: LoadShape.allCases)
    func `the bound keeps to the machines there may be`(_ shape: LoadShape) {
        var configuration = PoolConfiguration()
        configuration.max = 5
        let result = ClairvoyantBound.result(for: shape.trace(seed: 1, length: 200), configuration)
        #expect(result.peakMachines <= 5)
        // A mean is rounded.
        #expect(result.course.allSatisfy { $0.machines < 5.000_001 })
    }

    @Test func `the table ends with the bound`() {
        let lines = comparison().table.split(separator: "\n")
        #expect(lines.count == 6)
        #expect(lines[0].hasPrefix("POLICY"))
        #expect(lines[4].hasPrefix("bound") && lines[4].hasSuffix("1.0×"))
    }

    @Test func `the chart stays inside its frame and names every policy`() {
        let chart = SimulationChart(title: "a<b&c", comparison: comparison(), limit: 10).render()
        #expect(chart.hasPrefix("<svg ") && chart.hasSuffix("</svg>\n"))
        #expect(chart.contains("a&lt;b&amp;c"))
        for word in ["reactive", "kpa", "forecast", "bound"] { #expect(chart.contains(">\(word)</text>")) }
        for step in chart.matches(of: /[HV](-?[0-9.]+)/) {
            let value = Double(step.output.1) ?? -1
            #expect((0...960).contains(value))
        }
        #expect(!chart.contains("nan") && !chart.contains("inf"))
    }

    @Test func `machine-seconds are what the course holds`() {
        for (name, result) in comparison().policies {
            var area = 0.0
            for (point, next) in zip(result.course, result.course.dropFirst()) {
                area += point.machines * (next.time - point.time)
            }
            #expect(abs(area - result.machineSeconds) < result.machineSeconds * 0.02 + 2, "\(name)")
        }
    }
}
