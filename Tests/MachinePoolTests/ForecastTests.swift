import Testing

@testable import MachinePool

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct ForecastTests {
    private func at(_ seconds: Double) -> PoolTime { PoolTime(nanoseconds: Int64(seconds * 1e9)) }

    private func seasons(_ surges: [Double], until end: Int) -> SeasonFinder {
        var seasons = SeasonFinder()
        for second in 0..<end {
            let isUp = surges.contains { Int($0) == second }
            seasons.observe(isUp ? 8 : 0, at: at(Double(second)))
        }
        return seasons
    }

    @Test func `two equal gaps make a period, and what came a period ago comes again`() throws {
        let seasons = seasons([30, 101, 172, 243], until: 300)
        #expect(seasons.period == 71)
        #expect(seasons.level(at: at(300), lead: 0) == 0)
        #expect(seasons.level(at: at(313), lead: 0) == 8)
        #expect(seasons.level(at: at(310), lead: 2_000_000_000) == 8, "machines that take two seconds start sooner")
    }

    @Test func `a silence longer than its memory is forgotten at once`() {
        var seasons = seasons([30, 101, 172], until: 200)
        #expect(seasons.remembers(at: at(200)))
        seasons.observe(0, at: at(90_000_000))
        #expect(!seasons.remembers(at: at(90_000_000)))
        #expect(seasons.level(at: at(90_000_000), lead: 0) == 0)
    }

    @Test func `a rule knows whom each margin would have let wait, and what it would have cost`() {
        var rule = HoldRule(hold: 0, seasonal: false, base: 0)
        rule.move(to: 2, ready: 2, after: 0)
        for machines in [1, 2, 3, 3, 5] { rule.judge(machines, requests: 1, behind: false) }
        #expect(rule.requests == 5)
        #expect(rule.margin(for: 0) == 3)
        #expect(rule.margin(for: 1) == 1)
        #expect(rule.margin(for: 3) == 0)
        #expect(rule.shortage(margin: 0) == 5)
        rule.move(to: 0, ready: 0, after: 10)
        #expect(rule.cost(margin: 1, limit: 10, startPrice: 0.5) == 31)
        #expect(rule.margin(within: 30, limit: 10) == 1)
        #expect(rule.margin(within: 19, limit: 10) == nil)
    }

    @Test func `requests behind others wait for what those missed`() {
        var rule = HoldRule(hold: 0, seasonal: false, base: 1)
        rule.judge(4, requests: 1, behind: false)
        rule.move(to: 4, ready: 4, after: 1)
        rule.judge(4, requests: 1, behind: true)
        rule.judge(4, requests: 1, behind: false)
        #expect(rule.shortage(margin: 0) == 6)
    }

    @Test func `crowds that come regularly find machines, and none are kept in between`() {
        let requests = (1...40).flatMap { round in
            (0..<8).map { SimulationTrace.Request(arrival: Double(round) * 70 + 0.01 * Double($0), service: 0.5) }
        }
        let trace = SimulationTrace(requests: requests)
        var configuration = PoolConfiguration()
        func run(_ policy: PolicyKind) -> SimulationResult {
            configuration.policy = policy
            return Simulation.run(trace, configuration, SimulationSettings())
        }
        let (ours, timeouts) = (run(.forecast), run(.reactive))
        #expect(ours.restoreShare + ours.coldShare < 0.15)
        #expect(ours.machineSeconds < timeouts.machineSeconds * 0.5)
    }

    /// `FCCTL_POLICY_SEEDS=200 swift test -c release --filter ForecastTests` tries more loads.
    @Test
    func
        `on loads nobody designed it takes hardly more machine-seconds than the time-outs, and is never worse than kpa in both`()
    {
        let count = getenv("FCCTL_POLICY_SEEDS").flatMap { UInt64(String(cString: $0)) } ?? 4
        print("seeds 1...\(count)")
        for seed in 1...count {
            let trace = LoadShape.random.trace(seed: seed, length: 300)
            var configuration = PoolConfiguration()
            configuration.min = Int(seed % 3)
            configuration.max = [4, 10, 20][Int(seed / 3 % 3)]
            var results: [PolicyKind: SimulationResult] = [:]
            for policy in PolicyKind.allCases {
                configuration.policy = policy
                results[policy] = Simulation.run(trace, configuration, SimulationSettings())
            }
            guard let ours = results[.forecast], let kpa = results[.kpa], let timeouts = results[.reactive] else {
                return
            }
            #expect(ours.machineSeconds <= timeouts.machineSeconds * 1.05 + 10, "seed \(seed)")
            // A start more or less is chance.
            let isWorse = ours.waitP99 > kpa.waitP99 * 1.05 + 22 && ours.machineSeconds > kpa.machineSeconds * 1.05
            #expect(!isWorse, "seed \(seed)")
        }
    }
}
