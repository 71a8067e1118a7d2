import ArgumentParser
import FoundationEssentials
import Glibc
import LinuxHost
import SystemPackage

/// Flags that every command takes.
struct GlobalOptions: ParsableArguments {
    @Option(
        name: .long,
        help: "Where fcctl keeps its state (default: $FCCTL_STATE_DIR or ~/.firecracker-orchestrator).",
        completion: .directory)
    var stateDir: String?

    @Option(name: .shortAndLong, help: "How to print data: table or json.")
    var output: OutputFormat = .table

    @Flag(name: .shortAndLong, help: "Print only what was asked for: ids, no progress, no banner.")
    var quiet = false

    var state: StateDirectory {
        if let stateDir { return StateDirectory(absolute(stateDir)) }
        let environment = ProcessInfo.processInfo.environment
        if let path = environment["FCCTL_STATE_DIR"], !path.isEmpty { return StateDirectory(absolute(path)) }
        return StateDirectory(FilePath(environment["HOME"] ?? "/root").appending(".firecracker-orchestrator"))
    }

    private func absolute(_ path: String) -> FilePath {
        let path = FilePath(path)
        if path.isAbsolute { return path }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard getcwd(&buffer, buffer.count) != nil else { return path }
        return FilePath(platformString: buffer).pushing(path).lexicallyNormalized()
    }

    /// Talk for humans: silent with --quiet.
    func say(_ text: String) {
        if !quiet { Output.talk(text) }
    }

    static var isRoot: Bool { geteuid() == 0 }

    /// Every command that makes or changes machines needs root; reading needs only the state directory.
    func requireRoot(to purpose: String) throws {
        guard Self.isRoot else {
            throw CommandError(
                ExitCodes.permission,
                "\(purpose) needs root for network namespaces, TAPs and cgroups; run it again with sudo")
        }
    }
}

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json
}

extension MemorySize: ExpressibleByArgument {
    init?(argument: String) {
        self.init(argument)
    }
}

/// A time on the command line: `30`, `30s`, `5m`, `1h`, `500ms`; a plain number is seconds.
struct TimeOption: ExpressibleByArgument, CustomStringConvertible, Equatable {
    let duration: Duration

    init(_ duration: Duration) {
        self.duration = duration
    }

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int64(digits), digits.count <= 9 else { return nil }
        switch argument.dropFirst(digits.count) {
        case "ms": duration = .milliseconds(count)
        case "", "s": duration = .seconds(count)
        case "m": duration = .seconds(count * 60)
        case "h": duration = .seconds(count * 3600)
        default: return nil
        }
    }

    var description: String {
        let seconds = duration.components.seconds
        return duration == .seconds(seconds) ? "\(seconds)s" : "\(Int(duration / .milliseconds(1)))ms"
    }
}
