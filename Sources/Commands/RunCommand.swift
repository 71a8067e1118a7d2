import ArgumentParser
import FoundationEssentials
import HostNetwork
import Images
import LinuxHost
import Machines
import NIOPosix

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Create and boot one machine from a container image; it runs until you stop it.",
        discussion: """
            IMAGE is demo, docker-archive:FILE, oci-archive:FILE, oci:DIR[:TAG], a path to one of these, or a name \
            that the local store or a Docker or Podman socket knows.
            """)
    @OptionGroup var global: GlobalOptions
    @OptionGroup var machine: MachineOptions

    @Argument(help: "The container image.")
    var image: String

    @Option(name: .long, help: "The machine's name (default: after the image).")
    var name: String?

    @Option(name: .long, help: "Virtual CPUs.")
    var cpus = 1

    @Option(name: .long, help: "Memory; a plain number is MiB.")
    var mem = MemorySize.mebibytes(256)

    @Option(name: .long, help: "Writable disk; a plain number is MiB.")
    var diskSize = MemorySize.mebibytes(1024)

    func validate() throws {
        try Limits.check(cpus: cpus, memory: mem)
        if diskSize < .mebibytes(4) { throw ValidationError("--disk-size is at least 4M.") }
    }

    func run() async throws {
        try global.requireRoot(to: "starting a machine")
        let name = try self.name.map { text in
            guard let name = MachineName(text) else {
                throw CommandError(
                    ExitCodes.usage, "--name takes 1 to 63 of a-z, 0-9 and -, not \(text.debugDescription)")
            }
            return name
        }
        let host = try await HostSetup.open(global, machine)
        global.say(host.banner)
        let clock = ContinuousClock()
        let begun = clock.now
        let image = try await host.resolve(self.image)
        var phases = StartPhases()
        phases.image = (clock.now - begun) / .milliseconds(1)

        let record: MachineRecord
        do {
            record = try await Interruption.race { [phases] in
                try await start(host, image, name, phases)
            }
        } catch {
            await HostSweep.network(global.state)
            throw error
        }
        switch global.output {
        case .json: try Output.json(MachineReport(record))
        case .table where global.quiet: Output.data(record.id.text)
        case .table:
            Output.data("\(record.id)  \(record.name)")
            if let phases = record.phases { global.say(Waterfall.render(phases)) }
        }
    }

    private func start(
        _ host: HostSetup, _ image: StoredImage, _ name: MachineName?, _ phases: StartPhases
    ) async throws -> MachineRecord {
        let clock = ContinuousClock()
        let begun = clock.now
        var phases = phases
        // An image that exposes nothing may be a job: it is ready once it runs.
        let port = machine.appPort ?? image.configuration.singlePort
        let spec = MachineSpec(
            imageName: self.image, imageDigest: image.digest, vcpus: cpus, memory: mem, disk: diskSize, appPort: port,
            environment: machine.environment(ProcessInfo.processInfo.environment), egress: machine.egress)
        let slot = try await host.makeSlot()
        phases.slot = (clock.now - begun) / .milliseconds(1)
        let started = try await host.starter.start(
            MachineStarter.Request(
                spec: spec, image: image, name: name, owner: .user, slot: slot,
                timeout: machine.startTimeout.duration, phases: phases))
        await started.machine.agent.close()
        return started.record
    }
}

/// Bounds that hold for every VMM we know.
enum Limits {
    static func check(cpus: Int, memory: MemorySize) throws {
        guard (1...32).contains(cpus) else { throw ValidationError("--cpus is a number from 1 to 32.") }
        guard memory >= .mebibytes(32) else {
            throw ValidationError("--mem is at least 32M: a guest kernel needs that.")
        }
    }
}
