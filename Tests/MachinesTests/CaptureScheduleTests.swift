import Testing

@testable import Machines

struct CaptureScheduleTests {
    @Test func `the first capture is due at once, later ones ever less often, and the first failure is said`() {
        var schedule = CaptureSchedule()
        var now = ContinuousClock.now
        #expect(schedule.isDue(at: now))
        let first = schedule.failed(at: now)
        #expect(first)
        #expect(!schedule.isDue(at: now + .seconds(4)))
        now += .seconds(5)
        #expect(schedule.isDue(at: now))
        let second = schedule.failed(at: now)
        #expect(!second)
        #expect(!schedule.isDue(at: now + .seconds(9)))
        #expect(schedule.isDue(at: now + .seconds(10)))
        schedule.succeeded(at: now)
        #expect(!schedule.isDue(at: now + .seconds(19)))
        let news = schedule.failed(at: now)
        #expect(news, "a failure after a success is news")
        for _ in 0..<20 { _ = schedule.failed(at: now) }
        #expect(schedule.isDue(at: now + CaptureSchedule.longest))
    }

    @Test func `a signal wakes the one who waits, or the one who comes`() async {
        let signal = Signal()
        signal.set()
        await signal.wait(atMost: .seconds(60))
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await signal.wait(atMost: .seconds(60)) }
            signal.set()
        }
        await signal.wait(atMost: .zero)
    }
}
