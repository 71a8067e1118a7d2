import ArgumentParser
import MachinePool
import Testing

@testable import Commands

@Suite struct PoolOptionsTests {
    @Test func `serve's flags reach the pool`() throws {
        let command = try ServeCommand.parse([
            "demo", "--policy", "kpa", "--min", "2", "--max", "8", "--concurrency", "10", "--soft-concurrency", "7",
            "--mem",
            "256M", "--memory-budget", "1G", "--max-age", "1h", "--max-requests", "500", "--queue-size", "9",
            "--queue-timeout", "5s", "--idle-timeout", "20", "--scale-down", "2m", "--starts-in-flight", "3",
            "--standby", "1",
        ])
        var expected = PoolConfiguration()
        expected.policy = .kpa
        expected.min = 2
        expected.max = 8
        expected.concurrency = 10
        expected.softConcurrency = 7
        expected.machineMemory = 256 << 20
        expected.memoryBudget = 1 << 30
        expected.maxAge = .seconds(3600)
        expected.maxRequests = 500
        expected.queueSize = 9
        expected.queueTimeout = .seconds(5)
        expected.idleTimeout = .seconds(20)
        expected.scaleDown = .seconds(120)
        expected.startsInFlight = 3
        expected.standby = 1
        #expect(command.service.pool == expected)
    }

    @Test(arguments: [
        ["--concurrency", "0"], ["--concurrency", "10001"], ["--soft-concurrency", "2"], ["--soft-concurrency", "0"],
        ["--concurrency", "some"], ["--max", "0"], ["--max", "4097"], ["--min", "-1"], ["--standby", "11"],
        ["--min", "11"],
        ["--memory-budget", "64M"],
        ["--min", "4", "--memory-budget", "500M"], ["--max-age", "500ms"], ["--max-requests", "0"],
        ["--queue-size", "-1"], ["--queue-timeout", "0"], ["--starts-in-flight", "0"], ["--policy", "magic"],
        ["--mem", "9223372036854775807", "--memory-budget", "1G"],
    ])
    func `values that mean nothing are refused`(_ arguments: [String]) {
        #expect(throws: (any Error).self) { try ServeCommand.parse(["demo"] + arguments) }
    }

    @Test func `a service keeps one machine on standby unless told otherwise`() throws {
        #expect(try ServeCommand.parse(["demo"]).service.pool.standby == 1)
        #expect(try ServeCommand.parse(["demo", "--standby", "0"]).service.pool.standby == 0)
    }

    @Test func `concurrency can be left to be learned`() throws {
        let pool = try ServeCommand.parse(["demo", "--concurrency", "auto", "--soft-concurrency", "7"]).service.pool
        #expect(pool.learnsConcurrency && pool.concurrency == 1000 && pool.softConcurrency == 7)
        #expect(
            try SimulateCommand.parse(["--shape", "burst", "--concurrency", "auto"]).limits.concurrency == .learned)
    }

    @Test func `serve takes an image, or upstreams instead of it, or both`() throws {
        #expect(try ServeCommand.parse(["demo"]).upstream == [])
        #expect(try ServeCommand.parse(["--upstream", "a:1", "--upstream", "b:2"]).upstream == ["a:1", "b:2"])
        #expect(try ServeCommand.parse(["demo", "--upstream", "a:1"]).image == "demo")
        #expect(throws: (any Error).self) { try ServeCommand.parse([]) }
    }

    @Test(arguments: [
        [], ["--trace", "a", "--shape", "burst"], ["--shape", "square"], ["--shape", "burst", "--cold-ms", "-1"],
        ["--shape", "burst", "--restore-ms", "nan"], ["--shape", "burst", "--policy", "magic"],
        ["--shape", "burst", "--service-ms", "0"],
    ])
    func `a simulation without a sense is refused`(_ arguments: [String]) {
        #expect(throws: (any Error).self) { try SimulateCommand.parse(arguments) }
    }

    @Test(arguments: [
        [], ["http://a", "--max-concurrency", "0"], ["http://a", "--duration", "0"], ["http://a", "--rate", "0"],
        ["http://a", "--rate", "nan"], ["http://a", "--timeout", "0"],
    ])
    func `a load test without a sense is refused`(_ arguments: [String]) {
        #expect(throws: (any Error).self) { try StressCommand.parse(arguments) }
    }
}
