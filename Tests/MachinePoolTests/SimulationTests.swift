import Testing

@testable import MachinePool

@Suite struct SimulationTests {
    private func configuration(_ policy: PolicyKind, max: Int = 20) -> PoolConfiguration {
        var configuration = PoolConfiguration()
        configuration.max = max
        configuration.policy = policy
        return configuration
    }

    @Test(arguments: PolicyKind.allCases) func `the same seed gives the same run`(policy: PolicyKind) {
        let trace = LoadShape.burst.trace(seed: 7, length: 60, scale: 2)
        let first = Simulation.run(trace, configuration(policy), SimulationSettings())
        #expect(first == Simulation.run(trace, configuration(policy), SimulationSettings()))
        #expect(first.requests == trace.requests.count)
    }

    @Test(arguments: LoadShape.allCases, PolicyKind.allCases)
    func `no rule is broken on any shape while starts fail and machines crash`(shape: LoadShape, policy: PolicyKind) {
        var settings = SimulationSettings()
        settings.checks = true
        settings.startFailures = 0.1
        settings.crashes = 0.01
        let trace = shape.trace(seed: 3, length: 90, scale: 2)
        let result = Simulation.run(trace, configuration(policy, max: 6), settings)
        #expect(result.violations.isEmpty, "\(result.violations)")
    }

    @Test func `nothing beats the clairvoyant bound`() {
        for shape in LoadShape.allCases {
            let trace = shape.trace(seed: 2, length: 120, scale: 2)
            let bound = ClairvoyantBound.result(for: trace, configuration(.forecast))
            for policy in PolicyKind.allCases {
                let result = Simulation.run(trace, configuration(policy), SimulationSettings())
                // Requests whose clients leave cost nothing, and how many leave depends on the policy.
                if shape != .abortStorm { #expect(result.machineSeconds >= bound.machineSeconds - 0.001) }
                #expect(result.waitP50 >= bound.waitP50 || shape == .abortStorm)
            }
        }
    }

    @Test(arguments: [LoadShape.onOff, .burst, .selfSimilar])
    func `forecast waits less than kpa for no more machine-seconds and its first credit when bursts come and go`(
        shape: LoadShape
    ) {
        let trace = shape.trace(seed: 1, length: 600, scale: 2)
        let ours = Simulation.run(trace, configuration(.forecast), SimulationSettings())
        let kpa = Simulation.run(trace, configuration(.kpa), SimulationSettings())
        #expect(ours.waitP99 < kpa.waitP99)
        // Ten minutes are too short to pay the credit of the first one back.
        #expect(ours.machineSeconds <= kpa.machineSeconds + ForecastBudget.credit)
    }

    @Test func `a trace is read from lines of arrival and service`() throws {
        let trace = try SimulationTrace(csv: "arrival_s,service_s\n0.5, 0.1\r\n0.25,2\n\n")
        #expect(trace.requests.map(\.arrival) == [0.25, 0.5])
        #expect(trace.requests.map(\.service) == [2, 0.1])
    }

    @Test(arguments: ["", "arrival_s,service_s\n", "1", "1,2,3", "a,b", "-1,1", "1,nan", "1,inf", "1e300,1", "1,\u{0}"])
    func `a trace that makes no sense is refused by line`(csv: String) {
        #expect(throws: SimulationError.self) { try SimulationTrace(csv: csv) }
    }

    @Test func `a request past the deadline is shed, not served`() {
        let requests = (0..<10).map { _ in SimulationTrace.Request(arrival: 0, service: 10) }
        var configuration = configuration(.reactive, max: 1)
        configuration.queueTimeout = .seconds(15)
        let result = Simulation.run(SimulationTrace(requests: requests), configuration, SimulationSettings())
        #expect(result.shed == 8)
    }
}
