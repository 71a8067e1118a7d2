import Testing

@testable import LoadTest

@Suite struct MeasureTests {
    @Test func `percentiles are right to one percent at any scale`() {
        for unit in [Duration.microseconds(1), .microseconds(137), .milliseconds(9), .seconds(3)] {
            var histogram = LatencyHistogram()
            for value in (1...1000).shuffled() { histogram.record(unit * value) }
            for share in [0.01, 0.5, 0.95, 0.99, 1] {
                let exact = unit * Int((share * 1000).rounded()) / .milliseconds(1)
                let found = histogram.percentile(share) ?? 0
                #expect(abs(found - exact) <= exact * 0.01, "\(share) of \(unit): \(found), not \(exact)")
            }
            #expect(histogram.maximum == unit * 1000 / .milliseconds(1))
        }
    }

    @Test func `nothing was measured, nothing is said`() {
        #expect(LatencyHistogram().percentile(0.5) == nil)
        #expect(LatencyHistogram().mean == nil)
    }

    @Test func `two histograms together are one of all`() {
        var all = LatencyHistogram()
        var parts = [LatencyHistogram(), LatencyHistogram()]
        for value in 1...500 {
            all.record(.microseconds(value * value))
            parts[value % 2].record(.microseconds(value * value))
        }
        parts[0].add(parts[1])
        #expect(parts[0] == all)
    }

    @Test func `a negative latency counts as none`() {
        var histogram = LatencyHistogram()
        histogram.record(.seconds(-1))
        #expect(histogram.maximum == 0)
    }

    @Test(arguments: [(1, [1]), (2, [1, 2]), (4, [1, 3, 4]), (6, [1, 3, 5, 6]), (100, [1, 3, 5, 100])])
    func `the ramp goes up in steps to the maximum`(_ most: Int, _ levels: [Int]) {
        let schedule = LoadSchedule(maxConcurrency: most, duration: .seconds(60))
        #expect(schedule.steps.filter { $0.phase == .rampUp }.map(\.users) == levels)
        #expect(schedule.steps.dropFirst(levels.count).map(\.users) == [most, 2 * most, 0, 2 * most])
        #expect(zip(schedule.steps, schedule.steps.dropFirst()).allSatisfy { $0.to == $1.from })
        #expect(abs(schedule.end / .seconds(60) - 1) < 1e-9, "phases scale with the duration")
    }

    @Test func `a client sends in the steps that have room for it`() {
        let schedule = LoadSchedule(maxConcurrency: 6, duration: .seconds(60))
        #expect(schedule.turn(of: 0, at: .zero) == .send(.rampUp))
        #expect(schedule.turn(of: 2, at: .zero) == .wait(until: .seconds(3)))
        #expect(schedule.turn(of: 11, at: .seconds(20)) == .wait(until: schedule.span(of: .burst).from))
        #expect(schedule.turn(of: 0, at: .seconds(40)) == .wait(until: schedule.span(of: .secondBurst).from))
        #expect(schedule.turn(of: 11, at: .seconds(55)) == .send(.secondBurst))
        #expect(schedule.turn(of: 0, at: .seconds(61)) == .done)
    }

    @Test func `an open loop sends at the rate of each phase`() {
        let schedule = LoadSchedule(maxConcurrency: 4, duration: .seconds(100))
        let arrivals = Array(ArrivalSchedule(schedule, rate: 10))
        let count = { (phase: LoadPhase) in arrivals.filter { $0.phase == phase }.count }
        #expect((299...301).contains(count(.sustained)))
        #expect((299...301).contains(count(.burst)))
        #expect(count(.coolDown) == 0)
        #expect(zip(arrivals, arrivals.dropFirst()).allSatisfy { $0.at < $1.at })
    }

    @Test(arguments: [
        ("queue;dur=0.5, start;dur=12.25, app;dur=3", 12.25), ("start;desc=x;dur=1", 1), ("start", nil), ("", nil),
        ("restart;dur=4", nil), ("start;dur=x", nil),
    ])
    func `the start phase is found in Server-Timing`(_ field: String, _ milliseconds: Double?) {
        #expect(ServerTiming.start(field) == milliseconds)
    }

    @Test func `criteria are met or named`() throws {
        var tally = LoadTally()
        for milliseconds in 1...100 {
            tally.record(
                Reply(status: milliseconds == 100 ? 503 : 200, isReusable: true), latency: .milliseconds(milliseconds))
        }
        #expect(try FailCriteria("p50=60ms,p95=1s,p99=200,max=0.5s,errors=1").violations(tally) == [])
        #expect(try FailCriteria("errors=1%").violations(tally) == [])
        #expect(try FailCriteria("errors=0").violations(tally) == ["1 requests failed, more than 0"])
        #expect(try FailCriteria("errors=0.5%").violations(tally) == ["1.0 % of requests failed, more than 0.5 %"])
        #expect(try FailCriteria("p50=1ms,p99=10us").violations(tally).count == 2)
    }

    @Test func `without a success there is no latency to be content with`() throws {
        #expect(try FailCriteria("p99=100s").violations(LoadTally()).count == 1)
    }

    @Test(arguments: [
        "", "p99", "p99=", "p98=1", "p99=-1", "p99=1m", "errors=-1", "errors=1.5", "p99=1,,", "p99=nan", "p99=0x1",
    ])
    func `criteria that mean nothing are refused`(_ text: String) {
        #expect(throws: LoadTestError.self) { try FailCriteria(text) }
    }
}
