import ArgumentParser
import LinuxHost
import Machines

struct InfoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Show everything known about one machine.")
    @OptionGroup var global: GlobalOptions
    @OptionGroup var target: MachineArgument

    func run() async throws {
        let control = try await MachineControl.open(global)
        let record = try await control.find(target.machine)
        let report = MachineReport(record)
        if global.output == .json { return try Output.json(report) }
        if global.quiet { return Output.data(record.id.text) }
        for (key, value) in report.lines {
            Output.data(key + String(repeating: " ", count: max(1, 12 - key.count)) + value.terminalSafe)
        }
        if let phases = record.phases {
            Output.data("start")
            Output.data(Waterfall.render(phases))
        }
    }
}
