import ArgumentParser
import Machines

struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Print what a machine's app has written; of one that has ended, its last lines.")
    @OptionGroup var global: GlobalOptions
    @OptionGroup var target: MachineArgument

    @Flag(name: .shortAndLong, help: "Go on printing what comes.")
    var follow = false

    @Option(name: .long, help: "How many KiB of what was written before to print, at most 256.")
    var tail: UInt32 = 256

    @Flag(name: .long, help: "Pass control characters through instead of making them visible.")
    var raw = false

    func run() async throws {
        try global.requireRoot(to: "reading a machine's log")
        let control = try await MachineControl.open(global)
        let record = try await control.find(target.machine)
        let chunks = try await control.logs(record, tail: min(tail, 256) << 10, follow: follow)
        await withTaskGroup(of: Void.self) { [raw, follow] group in
            group.addTask {
                for await chunk in chunks {
                    Output.raw(raw ? chunk : Array(String(decoding: chunk, as: UTF8.self).terminalSafe.utf8))
                }
            }
            if follow {
                group.addTask {
                    await control.waitForEnd(of: record)
                    // What the guest sent before it went is on its way to the other task; its goodbye may be lost.
                    try? await Task.sleep(for: .seconds(1))
                }
            }
            await group.next()
            group.cancelAll()
        }
    }
}
