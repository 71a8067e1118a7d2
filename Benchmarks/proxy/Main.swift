import Gateway
import Glibc
import MachinePool
import NIOCore
import NIOPosix

/// The gateway before one upstream, on one event loop and with nothing beside it: small enough to be built with
/// optimisation and counted under callgrind (`Benchmarks/proxy/instructions`).
///
/// usage: proxy-benchmark --upstream HOST:PORT --port PORT, and whatever else `fcctl serve` takes, without effect.
@main
enum ProxyBenchmark {
    /// Not `async`: that hands the main thread to libdispatch, which parks it in `sigsuspend` with a mask in read-only
    /// memory, and valgrind 3.19 writes to the mask and crashes.
    static func main() throws {
        guard let upstream = value(of: "--upstream"), let port = value(of: "--port").flatMap({ Int($0) }) else {
            print("usage: proxy-benchmark --upstream HOST:PORT --port PORT")
            exit(64)
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        try group.any().makeFutureWithTask { try await serve(upstream, port, group) }.wait()
    }

    private static func value(of flag: String) -> String? {
        let words = CommandLine.arguments
        guard let at = words.firstIndex(of: flag), at + 1 < words.count else { return nil }
        return words[at + 1]
    }

    private static func serve(_ upstream: String, _ port: Int, _ group: MultiThreadedEventLoopGroup) async throws {
        var configuration = GatewayConfiguration()
        configuration.port = port
        var pools = PoolConfiguration()
        pools.max = 1
        pools.concurrency = 1000
        let driver = try StaticUpstreams([upstream])
        let pool = Pool(configuration: pools, driver: driver)
        driver.attach(pool)
        let gateway = Gateway(configuration: configuration, pool: pool, connector: driver, group: group)
        _ = try await gateway.start()
        print("listening")
        // What was printed reaches a pipe at once.
        fflush(nil)
        // Until a signal ends the process.
        await pool.run()
        withExtendedLifetime(gateway) {}
    }
}
