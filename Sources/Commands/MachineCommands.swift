import ArgumentParser
import LinuxHost
import Machines

/// What the commands that name one machine share.
struct MachineArgument: ParsableArguments {
    @Argument(help: "The machine's name, its id, or an unambiguous beginning of the id.")
    var machine: String
}

struct PauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Freeze a running machine; it keeps its memory and uses no CPU.",
        aliases: ["sleep"])
    @OptionGroup var global: GlobalOptions
    @OptionGroup var target: MachineArgument

    func run() async throws {
        try await change("pausing a machine") { control, record in try await control.pause(record) }
    }
}

struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Continue a paused machine where it was, with the clock right.",
        aliases: ["wake"])
    @OptionGroup var global: GlobalOptions
    @OptionGroup var target: MachineArgument

    func run() async throws {
        try await change("resuming a machine") { control, record in try await control.resume(record) }
    }
}

struct StopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "Stop a machine: the app's StopSignal, then power-off. Its log stays until delete.")
    @OptionGroup var global: GlobalOptions
    @OptionGroup var target: MachineArgument

    @Option(name: .shortAndLong, help: "How long the app may take before it is killed.")
    var time = TimeOption(.seconds(10))

    func run() async throws {
        try await change("stopping a machine") { [time] control, record in
            try await control.stop(record, grace: time.duration)
        }
    }
}

struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Remove a stopped machine and everything it left.", aliases: ["rm"])
    @OptionGroup var global: GlobalOptions
    @OptionGroup var target: MachineArgument

    @Flag(name: .shortAndLong, help: "Kill the machine first if it runs.")
    var force = false

    func run() async throws {
        try await change("deleting a machine") { [force] control, record in
            try await control.delete(record, force: force)
        }
    }
}

/// A command that changes one machine: sweep, find, act, say its name.
protocol MachineChange: AsyncParsableCommand {
    var global: GlobalOptions { get }
    var target: MachineArgument { get }
}

extension PauseCommand: MachineChange {}
extension ResumeCommand: MachineChange {}
extension StopCommand: MachineChange {}
extension DeleteCommand: MachineChange {}

extension MachineChange {
    func change(
        _ purpose: String,
        _ act: @Sendable (MachineControl, MachineRecord) async throws -> Void
    ) async throws {
        try global.requireRoot(to: purpose)
        let control = try await MachineControl.open(global)
        let record = try await control.find(target.machine)
        try await act(control, record)
        await HostSweep.network(global.state)
        switch global.output {
        case .table: Output.data(global.quiet ? record.id.text : record.name.text)
        case .json:
            try Output.json(["id": record.id.text, "name": record.name.text])
        }
    }
}
