import ArgumentParser
import FoundationEssentials
import LinuxHost
import MachinePool
import SystemPackage

/// `fcctl simulate --replay`: a log of `serve --event-log` put through the reducer again.
struct ReplayReport {
    let result: PoolReplay.Result

    /// Reads and replays the file. A last line that is not whole is what a killed gateway leaves.
    init(_ path: FilePath) throws {
        let bytes = try Files.read(path, limit: 4 << 30)
        let decoder = JSONDecoder()
        var lines = bytes.split(separator: 0x0a, omittingEmptySubsequences: false)
        lines.removeLast()
        guard let first = lines.first,
            // Whatever else it is, it is no header.
            let header = try? decoder.decode(PoolReplay.Header.self, from: Data(first)),
            header.version == PoolReplay.Header.current
        else { throw Self.refused(path, "it does not begin like a log of `serve --event-log` of this version") }
        var replay = PoolReplay(header)
        for (index, bytes) in lines.enumerated().dropFirst() {
            // A line that is no JSON is one that makes no sense.
            guard let line = try? decoder.decode(PoolReplay.Line.self, from: Data(bytes)), replay.apply(line) else {
                throw Self.refused(path, "line \(index + 1) is not an event")
            }
        }
        result = replay.result
    }

    var holds: Bool { result.violations.isEmpty && result.differences.isEmpty }

    var text: String {
        var lines = [
            "\(result.events) events in \((result.seconds * 10).rounded() / 10) s: \(result.requests) requests, "
                + "\(result.machines) machines started, \(result.decisions) decisions"
        ]
        if let gap = result.gap {
            lines.append("the log has a gap of \(gap) events there; what follows is not replayed")
        }
        lines += result.violations.map { "broken rule: \($0)" }
        lines += result.differences.map { "other decision: \($0)" }
        lines.append(holds ? "every decision is the same and every rule holds" : "the replay does not hold")
        return lines.joined(separator: "\n")
    }

    private static func refused(_ path: FilePath, _ reason: String) -> CommandError {
        CommandError(ExitCodes.badData, "\(path) cannot be replayed: \(reason)")
    }
}
