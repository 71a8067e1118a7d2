import Testing

@testable import MachinePool

#if canImport(Glibc)
    import Glibc
#endif

/// `FCCTL_POOL_SEED=123 swift test --filter PropertyTests` replays one seed and prints its steps;
/// `scripts/prove-pool` runs ten thousand in an optimised build, `scripts/prove-pool --seed 123` replays one there.
@Suite struct PropertyTests {
    private static func number(_ name: String) -> UInt64? {
        getenv(name).flatMap { UInt64(String(cString: $0)) }
    }

    private static let first = number("FCCTL_POOL_FIRST_SEED") ?? 1
    private static let count = number("FCCTL_POOL_SEEDS") ?? 60
    /// The seeds in as many parts as may run at once.
    private static let parts: UInt64 = 4

    @Test(arguments: 0..<parts) func `every invariant holds after every step of random runs`(part: UInt64) {
        if let seed = Self.number("FCCTL_POOL_SEED") { return replay(seed, part) }
        var run = 0
        var reported = 0
        for seed in Self.first..<(Self.first + Self.count) where seed % Self.parts == part && reported < 2 {
            var world = RandomWorld(seed: seed)
            world.run(steps: 1000)
            run += 1
            guard !world.failures.isEmpty else { continue }
            reported += 1
            Issue.record("FCCTL_POOL_SEED=\(seed): \(world.failures.prefix(3))")
        }
        print("\(run) of the seeds \(Self.first)..<\(Self.first + Self.count) were run")
    }

    private func replay(_ seed: UInt64, _ part: UInt64) {
        guard seed % Self.parts == part else { return }
        var world = RandomWorld(seed: seed, keepsLog: true)
        world.run(steps: 1000)
        for line in world.log { print(line) }
        #expect(world.failures.isEmpty, "seed \(seed): \(world.failures) with \(world.state.configuration)")
    }
}
