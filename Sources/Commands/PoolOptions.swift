import ArgumentParser
import LinuxHost
import MachinePool
import NIOCore

/// How a pool sizes itself and what it does with requests: shared by `serve` and `simulate`.
struct PoolOptions: ParsableArguments {
    @Option(name: .long, help: "Memory of one machine; a plain number is MiB.")
    var mem = MemorySize.mebibytes(128)

    @Option(name: .long, help: "Requests one machine handles at once: a number, or auto to find out from latency.")
    var concurrency = ConcurrencyOption.fixed(1)

    @Option(
        name: .long,
        help: "Requests one machine should hold: above it another one is started (default: --concurrency).")
    var softConcurrency: Int?

    @Option(name: .long, help: "Machines kept warm.")
    var min = 1

    @Option(name: .long, help: "Machines at most.")
    var max = 10

    @Option(
        name: .long,
        help: """
            Machines kept beyond the busy ones, restored, warmed up and paused (default: 1 in a service, once it has a \
            snapshot).
            """)
    var standby: Int?

    @Option(name: .long, help: "Memory of all machines together, paused ones included (default: --max times --mem).")
    var memoryBudget: MemorySize?

    @Option(name: .long, help: "An idle machine is paused after this long.")
    var idleTimeout = TimeOption(.seconds(30))

    @Option(name: .long, help: "A paused machine above --min is destroyed after this long.")
    var scaleDown = TimeOption(.seconds(300))

    @Option(name: .long, help: "A machine older than this is replaced (default: never).")
    var maxAge: TimeOption?

    @Option(name: .long, help: "A machine that has served this many requests is replaced (default: never).")
    var maxRequests: Int?

    @Option(name: .long, help: "Boots and restores under way at once (default: the cores of this host).")
    var startsInFlight: Int?

    @Option(name: .long, help: "Requests that may wait when every machine is full.")
    var queueSize = 1000

    @Option(name: .long, help: "How long a request may wait for a machine.")
    var queueTimeout = TimeOption(.seconds(30))

    func validate() throws {
        guard (1...10_000).contains(concurrency.most) else {
            throw ValidationError("--concurrency is 1 to 10000, or auto.")
        }
        if let softConcurrency, !(1...concurrency.most).contains(softConcurrency) {
            throw ValidationError("--soft-concurrency is a number from 1 to --concurrency, \(concurrency.most).")
        }
        guard (1...4096).contains(max) else { throw ValidationError("--max is a number from 1 to 4096.") }
        guard (0...max).contains(min) else { throw ValidationError("--min is a number from 0 to --max, \(max).") }
        if let standby, !(0...max).contains(standby) {
            throw ValidationError("--standby is a number from 0 to --max, \(max).")
        }
        if let memoryBudget {
            // Fewer than --min could never be kept, and without one machine nothing is served.
            guard memoryBudget.bytes / mem.bytes >= UInt64(Swift.max(1, min)) else {
                throw ValidationError(
                    "--memory-budget is less than \(Swift.max(1, min)) × --mem, \(mem), which --min needs.")
            }
        }
        if let maxAge, maxAge.duration < .seconds(1) { throw ValidationError("--max-age is at least 1s.") }
        if let maxRequests, maxRequests < 1 { throw ValidationError("--max-requests is at least 1.") }
        if let startsInFlight, startsInFlight < 1 { throw ValidationError("--starts-in-flight is at least 1.") }
        guard queueSize >= 0 else { throw ValidationError("--queue-size is 0 or more.") }
        guard queueTimeout.duration > .zero else { throw ValidationError("--queue-timeout is more than 0.") }
    }

    func configuration(_ policy: PolicyKind) -> PoolConfiguration {
        var pool = PoolConfiguration()
        pool.policy = policy
        pool.min = min
        pool.max = max
        pool.concurrency = concurrency.most
        pool.learnsConcurrency = concurrency == .learned
        pool.softConcurrency = softConcurrency
        pool.standby = standby ?? 0
        pool.idleTimeout = idleTimeout.duration
        pool.scaleDown = scaleDown.duration
        pool.maxAge = maxAge?.duration
        pool.maxRequests = maxRequests
        pool.queueSize = queueSize
        pool.queueTimeout = queueTimeout.duration
        pool.startsInFlight = startsInFlight ?? Swift.max(1, System.coreCount)
        pool.machineMemory = Int64(clamping: mem.bytes)
        pool.memoryBudget = memoryBudget.map { Int64(clamping: $0.bytes) }
        return pool
    }
}

extension PolicyKind: ExpressibleByArgument {}
