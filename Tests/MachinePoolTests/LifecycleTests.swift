import Testing

@testable import MachinePool

@Suite struct LifecycleTests {
    @Test func `min is filled at once and refilled after a death`() {
        var pool = Steps { $0.min = 2 }
        pool.send(.timerFired)
        #expect(pool.lines == ["boot 0.1", "boot 1.2"])
        pool.ready(0, 1)
        pool.ready(1, 2)
        pool.pass(20_000)
        pool.send(.machine(.gone(pool.machine(0, 1), reason: "killed")))
        #expect(pool.lines == ["boot 0.3"])
    }

    @Test func `an unused machine is paused, and destroyed if it is above min`() {
        var pool = Steps { $0.min = 1 }
        pool.request()
        pool.request()
        pool.ready(0, 1)
        pool.ready(1, 2)
        pool.end(0, 1)
        pool.end(1, 2)
        #expect(pool.live(seconds: 31).map(\.line) == ["pause 0.1", "pause 1.2"])
        pool.send(.machine(.paused(pool.machine(0, 1))))
        pool.send(.machine(.paused(pool.machine(1, 2))))
        #expect(pool.live(seconds: 302).map(\.line) == ["stop 0.1 scaleDown"])
    }

    @Test(arguments: [MachineState.booting, .idle, .busy, .pausing, .paused, .resuming, .draining, .stopping, .failed])
    func `a machine may die in any state`(state: MachineState) {
        var pool = Steps {
            $0.max = 2; $0.concurrency = 2
        }
        let machine = pool.machine(0, 1)
        pool.request()
        if state != .booting { pool.ready(0, 1) }
        if ![.booting, .busy, .draining].contains(state) { pool.end(0, 1) }
        if [.pausing, .paused, .resuming].contains(state) { pool.pass(30_000) }
        if [.paused, .resuming].contains(state) { pool.send(.machine(.paused(machine))) }
        if state == .resuming { pool.request() }
        if state == .draining { pool.state.release(0, at: pool.state.clock.now) }
        if state == .stopping { pool.send(.drainStarted(deadline: .seconds(9))) }
        if state == .failed { pool.send(.machine(.failed(machine, reason: "stuck"))) }
        #expect(pool.state.table.slots[0].state == state)
        pool.send(.machine(.gone(machine, reason: "killed")))
        #expect(pool.state.violations().isEmpty)
        #expect(!pool.state.isKnown(machine))
    }

    @Test func `the leases of a machine that died are failed and its late return ignored`() {
        var pool = Steps { $0.concurrency = 2 }
        pool.request()
        pool.ready(0, 1)
        pool.request()
        pool.send(.machine(.gone(pool.machine(0, 1), reason: "killed")))
        #expect(pool.state.totals.failed == 2)
        pool.end(0, 1)
        #expect(pool.state.totals.stale == 1 && pool.state.violations().isEmpty)
    }

    @Test func `three failed starts open the circuit and one good probe closes it`() {
        var pool = Steps { $0.startsInFlight = 1 }
        pool.request()
        var generation: UInt64 = 1
        for _ in 0..<3 {
            pool.send(.machine(.failed(pool.machine(0, generation), reason: "exit 1")))
            pool.send(.machine(.gone(pool.machine(0, generation))))
            pool.pass(800)
            generation = pool.state.table.slots[0].generation
        }
        #expect(pool.state.breaker.isOpen)
        pool.request()
        #expect(pool.lines == ["boot 0.4"])
        pool.ready(0, 4)
        #expect(pool.lines.contains("close"))
        #expect(!pool.state.breaker.isOpen)
    }

    @Test func `an open circuit refuses at once and says when to come back`() {
        var pool = Steps {
            $0.startsInFlight = 1; $0.max = 1
        }
        pool.request()
        for generation in UInt64(1)...3 {
            pool.send(.machine(.failed(pool.machine(0, generation), reason: "exit 1")))
            if generation < 3 {
                pool.send(.machine(.gone(pool.machine(0, generation))))
                pool.pass(1000)
            }
        }
        #expect(pool.lines.contains("reject 1 failing") && pool.lines.contains("open"))
        pool.request()
        guard case .reject(_, .failing(let after, let reason))? = pool.actions.first else {
            Issue.record("not refused: \(pool.lines)")
            return
        }
        #expect(after >= .seconds(1) && reason == "exit 1")
    }

    @Test func `a crash loop makes at most ten starts a minute`() {
        var pool = Steps {
            $0.min = 1; $0.startsInFlight = 4
        }
        var starts = 0
        for _ in 0..<600 {
            pool.pass(100)
            for action in pool.actions {
                guard case .start(let machine, _) = action else { continue }
                starts += 1
                pool.send(.machine(.gone(machine, reason: "exit 1")))
            }
        }
        #expect(starts > 5 && starts <= 10)
    }

    @Test func `a machine that fails two requests in a row is replaced, but not when all look bad`() {
        var pool = Steps {
            $0.min = 2; $0.max = 2
        }
        pool.send(.timerFired)
        pool.ready(0, 1)
        pool.ready(1, 2)
        for _ in 0..<2 {
            pool.request()
            pool.end(1, 2, .upstreamFailed)
        }
        #expect(pool.lines == ["stop 1.2 unhealthy"])
        pool.send(.machine(.gone(pool.machine(1, 2))))
        for _ in 0..<3 {
            pool.request()
            pool.end(0, 1, .upstreamFailed)
        }
        #expect(pool.state.table.slots[0].state == .idle)
    }

    @Test func `a machine in which nothing listens is replaced at once, and the last one too`() {
        var pool = Steps {
            $0.min = 2; $0.max = 2
        }
        pool.send(.timerFired)
        pool.ready(0, 1)
        pool.ready(1, 2)
        pool.request()
        pool.end(1, 2, .unreachable)
        #expect(pool.lines == ["stop 1.2 failed"])
        pool.request()
        pool.end(0, 1, .unreachable)
        #expect(pool.lines == ["stop 0.1 failed"] && pool.state.violations().isEmpty)
        pool.request()
        pool.send(.machine(.gone(pool.machine(1, 2))))
        pool.pass(400)
        #expect(pool.lines == ["boot 1.3"])
        pool.ready(1, 3)
        #expect(pool.lines.contains("grant 3 on 1.3 booted"))
    }

    @Test func `machines in which nothing listens from the start open the circuit, however many requests met each`() {
        var pool = Steps {
            $0.min = 1; $0.max = 1; $0.concurrency = 2
        }
        pool.send(.timerFired)
        for generation in UInt64(1)...3 {
            pool.ready(0, generation)
            pool.request()
            pool.request()
            pool.end(0, generation, .unreachable)
            #expect(pool.state.table.slots[0].state == .draining)
            pool.end(0, generation, .unreachable)
            pool.send(.machine(.gone(pool.machine(0, generation))))
            pool.pass(1000)
        }
        #expect(pool.state.breaker.isOpen && pool.state.violations().isEmpty)
    }

    @Test func `starts that fail beside machines that serve become rare as well`() {
        var pool = Steps { $0.max = 2 }
        pool.request()
        pool.ready(0, 1)
        var starts = 0
        // Whatever is started ends at once.
        func fail() {
            while case .start(let machine, _)? = pool.actions.first(where: { $0.line.hasPrefix("boot") }) {
                starts += 1
                pool.send(.machine(.gone(machine, reason: "exit 1")))
            }
        }
        for _ in 0..<600 {
            for _ in 0..<2 {
                pool.request()
                fail()
            }
            for _ in 0..<2 {
                pool.end(0, 1)
                fail()
            }
            pool.pass(100)
            fail()
        }
        #expect(starts > 2 && starts <= 11, "\(starts) starts in a minute")
    }

    @Test func `a worn machine serves until its successor is ready`() {
        var pool = Steps {
            $0.min = 1; $0.max = 2; $0.maxRequests = 1
        }
        pool.send(.timerFired)
        pool.ready(0, 1)
        pool.request()
        pool.end(0, 1)
        #expect(pool.lines == ["boot 1.2"])
        pool.request()
        #expect(pool.lines == ["grant 2 on 0.1 idle"])
        pool.ready(1, 2)
        pool.end(0, 1)
        #expect(pool.lines == ["stop 0.1 recycled"])
    }

    @Test func `a worn machine that fails its last requests is replaced once`() {
        var pool = Steps {
            $0.max = 3; $0.min = 2; $0.maxRequests = 1
        }
        pool.send(.timerFired)
        pool.ready(0, 1)
        pool.ready(1, 2)
        for outcome in [LeaseOutcome.ok, .upstreamFailed, .upstreamFailed] {
            pool.request()
            pool.end(1, 2, outcome)
        }
        pool.send(.machine(.gone(pool.machine(1, 2))))
        pool.ready(2, 3)
        #expect(pool.live(seconds: 20).isEmpty)
        #expect(pool.state.violations().isEmpty && pool.state.table.used == 2)
    }

    @Test func `a smaller memory budget ends the coldest machines`() {
        var pool = Steps {
            $0.min = 3; $0.startsInFlight = 3
        }
        pool.send(.timerFired)
        for slot in 0..<3 { pool.ready(slot, UInt64(slot + 1)) }
        pool.send(.memoryBudget(pool.state.configuration.machineMemory))
        #expect(pool.lines == ["stop 0.1 memory", "stop 1.2 memory"])
    }

    @Test func `a drain finishes what was accepted and cuts off what is late`() {
        var pool = Steps { $0.max = 1 }
        pool.request()
        pool.request()
        pool.ready(0, 1)
        pool.send(.drainStarted(deadline: .seconds(5)))
        #expect(pool.lines.isEmpty)
        pool.end(0, 1)
        #expect(pool.lines == ["grant 2 on 0.1 idle"])
        pool.request()
        #expect(pool.lines == ["reject 3 draining"])
        pool.pass(5_000)
        #expect(pool.lines == ["stop 0.1 drained"])
        pool.send(.machine(.gone(pool.machine(0, 1))))
        #expect(pool.lines == ["drained"])
    }

    @Test func `an hour in which the process was stopped expires nobody`() {
        var pool = Steps {
            $0.max = 1; $0.queueTimeout = .seconds(10)
        }
        pool.request()
        pool.ready(0, 1)
        pool.request()
        pool.pass(3_600_000)
        #expect(pool.state.queue.isEmpty || pool.state.totals.rejected <= 1)
        #expect(pool.state.table.count(.busy) == 1)
    }

    @Test func `standby is restored beyond the busy once requests wait no more, and sleeps as soon as it is ready`() {
        var pool = Steps { $0.standby = 2 }
        pool.send(.snapshotAvailable(true))
        #expect(pool.lines == ["restore 0.1", "restore 1.2"])
        pool.ready(0, 1)
        #expect(pool.lines == ["pause 0.1"])
        pool.send(.machine(.paused(pool.machine(0, 1))))
        pool.ready(1, 2)
        pool.send(.machine(.paused(pool.machine(1, 2))))
        pool.request()
        #expect(pool.lines == ["resume 1.2"])
        pool.pass(1)
        pool.send(.machine(.resumed(pool.machine(1, 2))))
        #expect(pool.lines == ["grant 1 on 1.2 resumed"])
        pool.pass(98)
        #expect(pool.lines.isEmpty)
        pool.pass(1)
        #expect(pool.lines == ["restore 2.3"])
        pool.ready(2, 3)
        #expect(pool.lines == ["pause 2.3"])
    }

    @Test func `nothing is booted for standby`() {
        var pool = Steps { $0.standby = 2 }
        pool.send(.timerFired)
        #expect(pool.lines.isEmpty)
        pool.request()
        #expect(pool.lines == ["boot 0.1"])
        pool.ready(0, 1)
        #expect(pool.live(seconds: 1).isEmpty)
    }

    @Test func `a start without an answer is given up`() {
        var pool = Steps {
            $0.startTimeout = .seconds(60); $0.queueTimeout = .seconds(300)
        }
        pool.request()
        #expect(pool.live(seconds: 61).map(\.line).contains("stop 0.1 failed"))
    }
}
