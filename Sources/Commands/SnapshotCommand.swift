import ArgumentParser
import LinuxHost
import Machines
import Snapshots

struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Look at and remove the snapshots that machines are started from.",
        subcommands: [
            SnapshotListCommand.self, SnapshotInspectCommand.self, SnapshotVerifyCommand.self,
            SnapshotRemoveCommand.self, SnapshotPruneCommand.self,
        ])
}

struct SnapshotListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List all snapshots, and those that were taken out of service.")
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let shelf = try await SnapshotShelf.open(global)
        let (reports, notes) = try await BlockingPool.run { () throws in
            (try shelf.reports(), try shelf.store.quarantined())
        }
        if global.output == .json { return try Output.json(reports + notes.map(SnapshotReport.init)) }
        if global.quiet { return reports.forEach { Output.data($0.id) } }
        var table = Table(headings: ["ID", "IMAGE", "STATE", "VMM", "CPUS", "MEM", "ON DISK", "CLONES", "USED", "AGE"])
        for report in reports + notes.map(SnapshotReport.init) {
            table.rows.append([
                report.id, (report.image ?? "-").terminalSafe, report.state.rawValue,
                report.key.map { "\($0.vmm) \($0.vmmVersion)" } ?? "-", report.key.map { "\($0.vcpus)" } ?? "-",
                report.key.map { "\($0.memoryMiB)M" } ?? "-", report.bytesOnDisk.map { "\($0 >> 20)M" } ?? "-",
                report.clones.map(String.init) ?? "-", report.usedAt.map(Age.text) ?? "-",
                report.createdAt.map(Age.text) ?? "-",
            ])
        }
        Output.data(table.render())
    }
}

struct SnapshotArgument: ParsableArguments {
    @Argument(help: "The snapshot's id, or the beginning of it.")
    var snapshot: String
}

struct SnapshotInspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show everything known about one snapshot, as JSON.")
    @OptionGroup var global: GlobalOptions
    @OptionGroup var target: SnapshotArgument

    func run() async throws {
        let shelf = try await SnapshotShelf.open(global)
        let report = try await BlockingPool.run { [target] () throws in
            try shelf.report(try shelf.store.resolve(target.snapshot))
        }
        try Output.json(report)
    }
}

struct SnapshotVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Read a snapshot, or all of them, and compare it with its checksums.",
        discussion: "A snapshot that is not what it was is taken out of service; the command then ends with status 65.")
    @OptionGroup var global: GlobalOptions

    @Argument(help: "The snapshot's id, or the beginning of it (default: all).")
    var snapshot: String?

    func run() async throws {
        try global.requireRoot(to: "verifying snapshots")
        let shelf = try await SnapshotShelf.open(global)
        let results = try await BlockingPool.run { [snapshot] () throws in
            let ids = try snapshot.map { [try shelf.store.resolve($0)] } ?? shelf.store.ids()
            return try ids.map { (id: $0, reason: try shelf.verify($0)) }
        }
        if global.output == .json {
            try Output.json(
                results.map {
                    ["id": $0.id.text, "result": $0.reason == nil ? "ok" : "bad", "reason": $0.reason ?? ""]
                })
        } else {
            for (id, reason) in results { Output.data("\(id)  " + (reason.map { "bad: \($0)" } ?? "ok")) }
        }
        if results.contains(where: { $0.reason != nil }) { throw ExitCode(ExitCodes.badData) }
    }
}

struct SnapshotRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove snapshots; the next start boots and makes a new one.")
    @OptionGroup var global: GlobalOptions

    @Flag(name: .shortAndLong, help: "Also one that running machines are clones of; they go on.")
    var force = false

    @Argument(help: "Ids, or the beginnings of them.")
    var snapshots: [String]

    func run() async throws {
        try global.requireRoot(to: "removing snapshots")
        let shelf = try await SnapshotShelf.open(global)
        let removed = try await BlockingPool.run { [snapshots, force] () throws in
            let ids = try snapshots.map { try shelf.store.resolve($0) }
            for id in ids {
                let clones = try shelf.clones(of: id)
                if clones > 0, !force { throw SnapshotError.inUse(id, clones: clones) }
            }
            for id in ids { try shelf.store.remove(id) }
            return ids
        }
        try SnapshotShelf.tell(removed, global)
    }
}

struct SnapshotPruneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Remove snapshots that nothing uses, and the notes about bad ones.")
    @OptionGroup var global: GlobalOptions

    @Option(name: .long, help: "Only those not used for this long.")
    var unusedFor = TimeOption(.zero)

    func run() async throws {
        try global.requireRoot(to: "removing snapshots")
        let shelf = try await SnapshotShelf.open(global)
        let removed = try await BlockingPool.run { [unusedFor] () throws in
            let limit = WallClock.seconds() - unusedFor.duration.components.seconds
            let ids = try shelf.store.ids().filter { id in
                try shelf.clones(of: id) == 0 && (shelf.store.lastUsed(id) ?? 0) <= limit
            }
            for id in ids { try shelf.store.remove(id) }
            try shelf.store.forgetQuarantined()
            return ids
        }
        try SnapshotShelf.tell(removed, global)
    }
}
