import Testing

@testable import MachinePool

#if canImport(Glibc)
    import Glibc
#endif

/// `FCCTL_POOL_SEEDS=10000 swift test --filter PropertyTests` runs more seeds,
/// `FCCTL_POOL_SEED=123 swift test --filter PropertyTests` replays one and prints its steps.
@Suite struct PropertyTests {
    private static func number(_ name: String) -> UInt64? {
        getenv(name).flatMap { UInt64(String(cString: $0)) }
    }

    @Test func `every invariant holds after every step of random runs`() {
        if let seed = Self.number("FCCTL_POOL_SEED") {
            var world = RandomWorld(seed: seed, keepsLog: true)
            world.run(steps: 1000)
            for line in world.log { print(line) }
            #expect(world.failures.isEmpty, "seed \(seed): \(world.failures) with \(world.state.configuration)")
            return
        }
        let first = Self.number("FCCTL_POOL_FIRST_SEED") ?? 1
        let count = Self.number("FCCTL_POOL_SEEDS") ?? 60
        print("seeds \(first)..<\(first + count)")
        var reported = 0
        for seed in first..<(first + count) where reported < 3 {
            var world = RandomWorld(seed: seed)
            world.run(steps: 1000)
            if !world.failures.isEmpty {
                reported += 1
                Issue.record("FCCTL_POOL_SEED=\(seed): \(world.failures.prefix(3))")
            }
        }
    }
}
