import Testing

@testable import MachinePool

@Suite struct ExpectationTests {
    @Test func `an expected request starts one machine, however often it is said`() {
        var pool = Steps { $0.max = 5 }
        pool.send(.requestExpected)
        #expect(pool.lines == ["boot 0.1"])
        for _ in 0..<5 {
            pool.send(.requestExpected)
            #expect(pool.lines == [])
        }
        pool.request()
        #expect(pool.lines == [])
        pool.pass(100)
        pool.ready(0, 1)
        #expect(pool.lines == ["grant 1 on 0.1 booted"])
    }

    @Test func `with room for one more nothing is started`() {
        var pool = Steps {
            $0.max = 5; $0.concurrency = 2
        }
        pool.request()
        pool.ready(0, 1)
        pool.send(.requestExpected)
        #expect(pool.lines == [])
        pool.request()
        pool.send(.requestExpected)
        #expect(pool.lines == ["boot 1.2"])
    }

    @Test func `a paused machine is resumed for it`() {
        var pool = Steps { $0.max = 5 }
        pool.request()
        pool.ready(0, 1)
        pool.end(0, 1)
        pool.pass(30_000)
        pool.send(.machine(.paused(pool.machine(0, 1))))
        pool.send(.requestExpected)
        #expect(pool.lines == ["resume 0.1"])
    }

    @Test func `one that never comes leaves an idle machine, which goes as all do`() {
        var pool = Steps {
            $0.idleTimeout = .seconds(1); $0.scaleDown = .seconds(1)
        }
        pool.send(.requestExpected)
        pool.ready(0, 1)
        #expect(pool.state.table.count(.idle) == 1)
        pool.pass(1000)
        #expect(pool.lines == ["pause 0.1"])
        pool.send(.machine(.paused(pool.machine(0, 1))))
        pool.pass(1000)
        #expect(pool.lines == ["stop 0.1 scaleDown"])
        #expect(pool.state.totals.requests == 0)
    }

    @Test func `a pool at its limit, or one that drains, starts nothing for it`() {
        var pool = Steps { $0.max = 1 }
        pool.request()
        pool.send(.requestExpected)
        #expect(pool.lines == [])
        pool.ready(0, 1)
        pool.end(0, 1)
        pool.send(.drainStarted(deadline: .seconds(1)))
        pool.send(.requestExpected)
        #expect(!pool.lines.contains { $0.hasPrefix("boot") })
    }
}
