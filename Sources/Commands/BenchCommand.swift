import ArgumentParser
import FoundationEssentials
import HostNetwork
import Images
import LinuxHost
import Logging
import Machines
import Snapshots
import SystemPackage

struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure how long starts take: cold, from a snapshot, from standby, warm.",
        discussion: """
            Each run is measured from the order to start to the first byte of a correct answer, one machine at a time.
            Standby runs as often as snapshot. Nothing of the machines stays; the snapshot does.
            """)
    @OptionGroup var global: GlobalOptions
    @OptionGroup var machine: MachineOptions

    @Argument(help: "The container image.")
    var image = "demo"

    @Argument(help: "Cold boots.")
    var coldRuns = 3

    @Argument(help: "Requests to a running machine.")
    var warmRuns = 100

    @Argument(help: "Starts from a snapshot, and as many from standby.")
    var snapshotRuns = 20

    @Option(name: .long, help: "Memory of one machine; a plain number is MiB.")
    var mem = MemorySize.mebibytes(128)

    @Option(name: .long, help: "Virtual CPUs of one machine.")
    var cpus = 1

    func validate() throws {
        try Limits.check(cpus: cpus, memory: mem)
        guard [coldRuns, warmRuns, snapshotRuns].allSatisfy({ (0...100_000).contains($0) }) else {
            throw ValidationError("The numbers of runs are 0 to 100000.")
        }
    }

    func run() async throws {
        try global.requireRoot(to: "starting machines")
        let host = try await HostSetup.open(global, machine)
        global.say(host.banner)
        let stored = try await host.resolve(image)
        let spec = MachineSpec(
            imageName: image, imageDigest: stored.digest, vcpus: cpus, memory: mem, disk: nil,
            appPort: machine.appPort ?? stored.configuration.singlePort ?? 3000,
            environment: machine.environment(ProcessInfo.processInfo.environment), egress: machine.egress)
        let bench = StartBenchmark(
            host: host, image: stored, spec: spec, timeout: machine.startTimeout.duration,
            progress: ProgressLine(quiet: global.quiet))
        let runs = try await Interruption.race { [coldRuns, warmRuns, snapshotRuns] in
            try await bench.run(cold: coldRuns, warm: warmRuns, snapshot: snapshotRuns)
        }
        await HostSweep.network(global.state)
        let report = BenchmarkReport(host: .current(host), runs: runs)
        if global.output == .json { return try Output.json(report) }
        Output.data(report.table)
    }
}
