import ArgumentParser
import Glibc
import LinuxHost
import MachinePool
import SystemPackage

/// The pool's own reducer under a virtual clock: what each policy makes of a load, and what no policy can beat.
struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Try scaling policies on a load without running anything.",
        discussion: """
            The load is a CSV file with lines arrival_s,service_s or a shape made from --seed. Machine-seconds count every \
            machine from its start to its end; running-seconds leave out the time in which it was paused. The bound \
            knows the future and its machines start in no time.
            """)
    @OptionGroup var global: GlobalOptions
    @OptionGroup var limits: PoolOptions

    @Option(name: .long, help: "CSV file of requests: arrival_s,service_s.", completion: .file(extensions: ["csv"]))
    var trace: String?

    @Option(name: .long, help: "A load made up instead of a trace, two hours to three days long.")
    var shape: LoadShape?

    @Option(
        name: .long,
        help: "Milliseconds that a request takes in the shapes steady to wake; those of services have their own.")
    var serviceMs = 200.0

    @Option(
        name: .long,
        help: "Log of `serve --event-log`: apply its events again, expect the same decisions and no broken rule.",
        completion: .file())
    var replay: String?

    @Option(name: .long, help: "Policy to try: reactive, kpa or forecast; repeatable (default: all).")
    var policy: [PolicyKind] = []

    @Option(name: .long, help: "Milliseconds of a cold boot.")
    var coldMs = 1500.0

    @Option(name: .long, help: "Milliseconds of a snapshot restore.")
    var restoreMs = 20.0

    @Option(name: .long, help: "Milliseconds of a resume.")
    var resumeMs = 1.0

    @Flag(name: .long, help: "Every start is a cold boot.")
    var noSnapshots = false

    @Option(name: .long, help: "Seed of the shape and of the spread of start times.")
    var seed: UInt64 = 1

    @Option(
        name: .long, help: "Write a chart of machines over time to this file.", completion: .file(extensions: ["svg"]))
    var svg: String?

    func validate() throws {
        guard [trace != nil, shape != nil, replay != nil].count(where: \.self) == 1 else {
            throw ValidationError("Give one of --trace FILE.csv, --shape NAME and --replay FILE.")
        }
        for (flag, value) in [("--cold-ms", coldMs), ("--restore-ms", restoreMs), ("--resume-ms", resumeMs)] {
            guard (0...3_600_000).contains(value) else {
                throw ValidationError("\(flag) is a number of milliseconds from 0 to 3600000.")
            }
        }
        guard (1...3_600_000).contains(serviceMs) else {
            throw ValidationError("--service-ms is a number of milliseconds from 1 to 3600000.")
        }
    }

    func run() async throws {
        if let replay { return try again(replay) }
        let load = try load()
        var settings = SimulationSettings()
        settings.cold = .nanoseconds(Int64(coldMs * 1e6))
        settings.restore = .nanoseconds(Int64(restoreMs * 1e6))
        settings.resume = .nanoseconds(Int64(resumeMs * 1e6))
        settings.snapshots = !noSnapshots
        settings.seed = seed
        var comparison = PolicyComparison(
            requests: load.requests.count,
            bound: ClairvoyantBound.result(for: load, limits.configuration(.reactive)))
        for kind in PolicyKind.allCases where policy.isEmpty || policy.contains(kind) {
            let result = Simulation.run(load, limits.configuration(kind), settings)
            comparison.policies.append((kind.rawValue, result))
        }
        if let svg {
            let chart = SimulationChart(
                title: shape?.rawValue ?? trace ?? "", comparison: comparison, limit: limits.max)
            // Not by renaming: the name may be a pipe or a device.
            let file = try Files.open(FilePath(svg), O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
            try AtomicFile.writeAll(Array(chart.render().utf8), to: file, path: FilePath(svg))
        }
        switch global.output {
        case .json: try Output.json(comparison.document)
        case .table: Output.data(comparison.table)
        }
    }

    private func again(_ path: String) throws {
        let report = try ReplayReport(FilePath(path))
        switch global.output {
        case .json: try Output.json(report.result)
        case .table: Output.data(report.text)
        }
        if !report.holds { throw ExitCode(1) }
    }

    private func load() throws -> SimulationTrace {
        if let shape {
            return shape.trace(
                seed: seed, service: serviceMs / 1000, idleTimeout: limits.idleTimeout.duration.milliseconds / 1000)
        }
        let path = trace ?? ""
        let bytes = try Files.read(FilePath(path), limit: 1 << 30)
        let marked = bytes.starts(with: Self.byteOrderMark)
        let text = String(decoding: bytes.dropFirst(marked ? Self.byteOrderMark.count : 0), as: UTF8.self)
        do {
            return try SimulationTrace(csv: text)
        } catch {
            throw Self.shortened(error)
        }
    }

    /// Spreadsheets put these three bytes in front.
    private static let byteOrderMark: [UInt8] = [0xef, 0xbb, 0xbf]

    /// What is no trace at all may have very long lines.
    private static func shortened(_ error: SimulationError) -> SimulationError {
        let cut = { (line: String) in line.count > 60 ? line.prefix(60) + "…" : line }
        return switch error {
        case .malformedLine(let number, let line): .malformedLine(number, cut(line))
        case .impossibleTime(let number, let line): .impossibleTime(number, cut(line))
        case .emptyTrace: .emptyTrace
        }
    }
}

extension LoadShape: ExpressibleByArgument {}
