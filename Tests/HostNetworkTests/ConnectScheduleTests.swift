import HostNetwork
import Testing

@Suite struct ConnectScheduleTests {
    private let start = ContinuousClock.now

    /// Milliseconds after the start at which attempts begin within the first `limit`.
    private func attempts(
        _ limit: Int, refusedAt refused: Set<Int> = [], patience: Duration = .milliseconds(10)
    ) -> [Int] {
        var schedule = ConnectSchedule(start: start, patience: patience)
        return (0..<limit).filter { millisecond in
            let now = start + .milliseconds(millisecond)
            let due = schedule.attempt(at: now)
            if refused.contains(millisecond) { schedule.refused(at: now) }
            return due
        }
    }

    @Test func `fresh attempts follow after 10 ms, then 20, then every 40`() {
        #expect(attempts(200) == [0, 10, 30, 70, 110, 150, 190])
    }

    @Test func `a patient one gives each attempt as long`() {
        #expect(attempts(200, patience: .milliseconds(90)) == [0, 90, 180])
    }

    @Test func `a refusal starts the pace again, 10 ms later`() {
        #expect(attempts(60, refusedAt: [31]) == [0, 10, 30, 41, 51])
    }
}
