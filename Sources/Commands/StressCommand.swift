import ArgumentParser
import Glibc
import LinuxHost
import LoadTest

/// Load in five phases against a running service, and a box with what came of it.
struct StressCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stress", abstract: "Put a running service under load in five phases.",
        discussion: """
            Ramp-up, sustained load, a burst of twice as many clients, a cool-down in which machines may pause and go, and \
            a second burst. Ctrl-C ends it with the result so far. Latencies are those of requests that succeeded: \
            a status from 200 to 399.
            """)
    @OptionGroup var global: GlobalOptions

    @Argument(help: "Where the load goes, such as http://localhost:8080/.")
    var url: String

    @Option(name: .long, help: "Clients of the sustained phase; the bursts have twice as many.")
    var maxConcurrency = 6

    @Option(name: .long, help: "Length of all phases together.")
    var duration = TimeOption(.seconds(60))

    @Option(
        name: .long,
        help: """
            Requests a second of the sustained phase, sent on time however slow the answers are, and measured from when \
            they were due (default: each client waits for its answer).
            """)
    var rate: Double?

    @Option(name: .long, help: "After this long a request has failed.")
    var timeout = TimeOption(.seconds(60))

    @Option(
        name: .long,
        help: "Exit with 1 if the result is worse: p50=, p95=, p99=, max= with a time, errors= with a number or %.")
    var failOn: String?

    func validate() throws {
        guard (1...10_000).contains(maxConcurrency) else { throw ValidationError("--max-concurrency is 1 to 10000.") }
        guard duration.duration >= .seconds(1) else { throw ValidationError("--duration is at least 1s.") }
        guard timeout.duration > .zero else { throw ValidationError("--timeout is more than 0.") }
        if let rate, !(rate >= 0.1 && rate <= 1_000_000) { throw ValidationError("--rate is 0.1 to 1000000.") }
    }

    func run() async throws {
        let criteria = try failOn.map { text throws(LoadTestError) in try FailCriteria(text) }
        let files = OpenFileLimit.raise()
        let test = LoadTest(
            target: try LoadTarget(url), maxConcurrency: maxConcurrency, duration: duration.duration, rate: rate,
            timeout: timeout.duration, limit: min(8192, max(64, files - 128)), group: HostSetup.group)
        let display = StressDisplay(quiet: global.quiet, max: maxConcurrency, rate: rate)
        let result = try await untilInterrupted { () async throws(LoadTestError) in
            try await test.run { display.show($0) }
        }
        display.end()
        switch global.output {
        case .json: try Output.json(StressDocument(result))
        case .table: Output.data(StressReport(result: result).render())
        }
        let violations = criteria?.violations(result.total) ?? []
        for violation in violations { Output.talk("fcctl: \(violation)") }
        if !violations.isEmpty { throw ExitCode(1) }
        if result.isInterrupted { throw ExitCode(130) }
    }

    /// The first signal ends the body early but with its result, a second one ends the program.
    private func untilInterrupted(
        _ body: @escaping @Sendable () async throws(LoadTestError) -> LoadResult
    ) async throws -> LoadResult {
        try await withThrowingTaskGroup(of: LoadResult?.self) { group in
            let signals = Interruption.signals()
            group.addTask { try await body() }
            group.addTask {
                for await _ in signals { return nil }
                return nil
            }
            defer { group.cancelAll() }
            while let finished = try await group.next() {
                if let finished { return finished }
                group.cancelAll()
                Glibc.signal(SIGINT, SIG_DFL)
                Glibc.signal(SIGTERM, SIG_DFL)
            }
            throw CommandError(ExitCodes.software, "the load test ended without a result")
        }
    }
}
