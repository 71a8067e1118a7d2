import Testing

@testable import MachinePool

/// What `Benchmarks/policies/run` shows on longer loads and more seeds.
@Suite struct RivalTests {
    #if DEBUG
        private static let isOptimised = false
    #else
        private static let isOptimised = true
    #endif

    @Test(
        .enabled(if: isOptimised, "takes a minute in a debug build; scripts/prove-pool runs it optimised"),
        arguments: [LoadShape.steady, .ramp, .diurnal, .onOff, .burst, .longShort])
    func `forecast has a lower p99 wait than either rival for no more machine-seconds where requests take seconds`(
        shape: LoadShape
    ) {
        let trace = shape.trace(seed: 1, length: 3600, service: 2)
        var configuration = PoolConfiguration()
        // Where the limit has requests wait, they wait alike under every policy.
        configuration.max = 20
        configuration.policy = .forecast
        let ours = Simulation.run(trace, configuration, SimulationSettings())
        for rival in [PolicyKind.reactive, .kpa] {
            configuration.policy = rival
            let theirs = Simulation.run(trace, configuration, SimulationSettings())
            #expect(ours.waitP99 < theirs.waitP99, "\(rival)")
            #expect(ours.machineSeconds <= theirs.machineSeconds, "\(rival)")
        }
    }
}
