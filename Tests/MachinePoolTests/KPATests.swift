import Testing

@testable import MachinePool

/// Knative's autoscaler, case by case: default parameters, target 0.7 of a container concurrency of 10.
@Suite struct KPATests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var stable: Double
        var panic: Double
        var ready: Int
        var desired: Int
        var testDescription: String { name }
    }

    private static let cases = [
        Case(name: "no load scales towards zero, at most by half", stable: 0, panic: 0, ready: 10, desired: 5),
        Case(name: "one pod without load may go", stable: 0, panic: 0, ready: 1, desired: 0),
        Case(name: "exactly the target", stable: 70, panic: 70, ready: 10, desired: 10),
        Case(name: "one more request than the target", stable: 71, panic: 71, ready: 10, desired: 11),
        Case(name: "down by at most half", stable: 7, panic: 7, ready: 10, desired: 5),
        Case(
            name: "below the panic threshold the stable window decides", stable: 70, panic: 130, ready: 10, desired: 10),
        Case(name: "at twice the capacity the panic window decides", stable: 70, panic: 140, ready: 10, desired: 20),
        Case(name: "no pod counts as one", stable: 7, panic: 7, ready: 0, desired: 1),
        Case(name: "up by at most a thousandfold", stable: 7, panic: 70_000, ready: 1, desired: 1000),
    ]

    private func decider() -> KPADecider { KPADecider(target: 7, parameters: KPAPolicy.Parameters()) }

    @Test(arguments: cases) func `the decision is Knative's`(_ entry: Case) {
        var decider = decider()
        #expect(
            decider.decide(stable: entry.stable, panic: entry.panic, ready: entry.ready, at: .zero) == entry.desired)
    }

    @Test func `in panic the pool never shrinks, and panic ends a stable window after the last excess`() {
        var decider = decider()
        func at(_ seconds: Int64) -> PoolTime { PoolTime(nanoseconds: seconds * 1_000_000_000) }
        #expect(decider.decide(stable: 70, panic: 210, ready: 10, at: at(0)) == 30)
        #expect(decider.decide(stable: 70, panic: 70, ready: 30, at: at(10)) == 30)
        #expect(decider.decide(stable: 140, panic: 420, ready: 30, at: at(20)) == 60)
        #expect(decider.decide(stable: 140, panic: 140, ready: 60, at: at(80)) == 60)
        #expect(decider.decide(stable: 140, panic: 140, ready: 60, at: at(81)) == 30)
        #expect(decider.panicSince == nil)
    }

    @Test func `an average is weighted by time and spans what there has been`() {
        var window = ConcurrencyWindow(seconds: 60)
        func at(_ milliseconds: Int64) -> PoolTime { PoolTime(nanoseconds: milliseconds * 1_000_000) }
        window.observe(0, until: at(0))
        window.observe(4, until: at(500))
        window.observe(0, until: at(1000))
        #expect(abs(window.mean(seconds: 6) - 2) < 0.001)
        window.observe(0, until: at(120_000))
        #expect(window.mean(seconds: 60) == 0)
    }

    @Test func `the last machine goes a stable window and a grace period after the last request`() {
        var configuration = PoolConfiguration()
        configuration.min = 0
        configuration.policy = .kpa
        var policy = KPAPolicy(configuration)
        var view = PoolView(idle: 1, alive: 1, maximum: 10)
        var sizes: [Int] = []
        for second in stride(from: Int64(0), through: 100, by: 2) {
            let now = PoolTime(nanoseconds: second * 1_000_000_000)
            policy.observe(demand: second <= 2 ? 1 : 0, until: now)
            let size = policy.evaluate(view, at: now)?.alive ?? -1
            sizes.append(size)
            view.idle = size
            view.alive = size
        }
        let zero = sizes.firstIndex(of: 0).map { $0 * 2 } ?? -1
        #expect(zero >= 90 && zero <= 98)
        #expect(sizes.dropFirst(2).prefix(40).allSatisfy { $0 == 1 || $0 == 2 })
    }
}
