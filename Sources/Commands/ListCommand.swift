import ArgumentParser
import LinuxHost
import Machines
import VMM

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List all machines, those of gateways included.", aliases: ["ls"])
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let control = try await MachineControl.open(global)
        let records = try await control.all().filter { $0.state != .prepared && $0.isTransient != true }
        if global.output == .json { return try Output.json(records.map(MachineReport.init)) }
        if global.quiet { return records.forEach { Output.data($0.id.text) } }
        var table = Table(headings: ["ID", "NAME", "IMAGE", "STATE", "ADDRESS", "CPUS", "MEM", "VMM", "AGE"])
        for record in records {
            table.rows.append([
                record.id.text, record.name.text, record.image.terminalSafe, record.state.rawValue,
                record.address ?? "-", "\(record.vcpus)", "\(record.memoryMiB)M", record.vmm.rawValue,
                Age.text(since: record.createdAt),
            ])
        }
        Output.data(table.render())
    }
}
