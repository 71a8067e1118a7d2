import Testing

@testable import MachinePool

@Suite struct AcquisitionTests {
    @Test func `an idle machine is taken before a busy one with room`() {
        var pool = Steps {
            $0.concurrency = 2; $0.min = 2
        }
        pool.send(.timerFired)
        pool.ready(0, 1)
        pool.ready(1, 2)
        pool.request()
        pool.request()
        #expect(pool.state.table.count(.busy) == 2)
    }

    @Test func `the least loaded machine with room is taken before anything is started`() {
        var pool = Steps {
            $0.concurrency = 3; $0.min = 2; $0.max = 3
        }
        pool.send(.timerFired)
        pool.ready(0, 1)
        pool.ready(1, 2)
        for _ in 0..<3 { pool.request() }
        pool.request()
        #expect(pool.lines.count == 1 && pool.lines[0].hasPrefix("grant 4"))
        #expect(pool.state.table.slots.map(\.inflight) == [2, 2, 0])
    }

    @Test func `a paused machine is resumed before another is booted`() {
        var pool = Steps { $0.max = 5 }
        pool.request()
        #expect(pool.lines == ["boot 0.1"])
        pool.ready(0, 1)
        pool.end(0, 1)
        pool.pass(30_000)
        #expect(pool.lines == ["pause 0.1"])
        pool.send(.machine(.paused(pool.machine(0, 1))))
        pool.request()
        #expect(pool.lines == ["resume 0.1"])
        pool.pass(5)
        pool.send(.machine(.resumed(pool.machine(0, 1))))
        #expect(pool.lines == ["grant 2 on 0.1 resumed"])
    }

    @Test func `a machine that is pausing is taken back`() {
        var pool = Steps { $0.max = 5 }
        pool.request()
        pool.ready(0, 1)
        pool.end(0, 1)
        pool.pass(30_000)
        pool.request()
        #expect(pool.lines.isEmpty)
        pool.send(.machine(.paused(pool.machine(0, 1))))
        #expect(pool.lines == ["resume 0.1"])
    }

    @Test func `a snapshot is restored rather than booted, and a failed restore is not tried twice`() {
        var pool = Steps { $0.max = 2 }
        pool.send(.snapshotAvailable(true))
        pool.request()
        #expect(pool.lines == ["restore 0.1"])
        pool.send(.machine(.failed(pool.machine(0, 1), reason: "bad snapshot")))
        #expect(pool.lines.contains("boot 1.2") && pool.lines.contains("stop 0.1 failed"))
        #expect(!pool.state.breaker.isOpen && pool.state.breaker.failures == 0)
    }

    @Test func `starts in flight are limited and belong to the pool`() {
        var pool = Steps { $0.startsInFlight = 2 }
        let tickets = (0..<5).map { _ in pool.request() }
        #expect(pool.state.startsInFlight == 2)
        for ticket in tickets { pool.send(.requestCancelled(ticket)) }
        #expect(pool.state.startsInFlight == 2)
        pool.ready(0, 1)
        pool.request()
        #expect(pool.lines == ["grant 6 on 0.1 idle"])
    }

    @Test func `capacity goes to the head of the queue whoever asked for it`() {
        var pool = Steps { $0.max = 2 }
        for _ in 0..<4 { pool.request() }
        pool.pass(1)
        pool.ready(1, 2)
        #expect(pool.lines == ["grant 1 on 1.2 booted"])
        pool.pass(1)
        pool.end(1, 2)
        #expect(pool.lines == ["grant 2 on 1.2 idle"])
    }

    @Test func `a request that lost its machine goes ahead of those that never had one`() {
        var pool = Steps { $0.max = 1 }
        for _ in 0..<3 { pool.request() }
        pool.ready(0, 1)
        pool.send(.machine(.gone(pool.machine(0, 1), reason: "killed")))
        pool.request(priority: true)
        pool.pass(1000)
        pool.ready(0, 2)
        #expect(pool.lines.first == "grant 4 on 0.2 booted")
    }

    @Test func `the queue is bounded beyond what all machines hold`() {
        var pool = Steps {
            $0.max = 1; $0.queueSize = 2
        }
        pool.request()
        pool.ready(0, 1)
        pool.request()
        pool.request()
        #expect(pool.lines.isEmpty)
        pool.request()
        #expect(pool.lines == ["reject 4 queue_full"])
        guard case .reject(_, let rejection)? = pool.actions.first else { return }
        #expect(rejection.retryAfter ?? .zero >= .seconds(1))
    }

    @Test func `a waiter past its deadline is refused at the deadline`() {
        var pool = Steps {
            $0.max = 1; $0.queueTimeout = .seconds(3)
        }
        pool.request()
        pool.ready(0, 1)
        pool.request()
        pool.pass(2_999)
        #expect(pool.lines.isEmpty)
        pool.pass(1)
        #expect(pool.lines == ["reject 2 queue_timeout"])
    }

    @Test func `soft concurrency starts another machine while requests still fit`() {
        var pool = Steps {
            $0.concurrency = 4; $0.softConcurrency = 1
        }
        pool.request()
        pool.ready(0, 1)
        pool.request()
        #expect(pool.lines == ["grant 2 on 0.1 idle", "boot 1.2"])
    }

    @Test func `one lease cannot be returned twice`() {
        var pool = Steps()
        pool.request()
        pool.ready(0, 1)
        pool.end(0, 1)
        pool.end(0, 1)
        #expect(pool.state.totals.succeeded == 1 && pool.state.totals.stale == 1)
    }
}
