import CLinuxHost
import Glibc
package import SystemPackage

/// What a short-lived program printed.
package struct CommandOutput: Sendable, Hashable {
    package let text: String
    package let status: TerminationStatus?

    /// Runs a program to its end without a shell and keeps the first 64 KiB of its standard output and error.
    /// Blocks; a program that is not done after `seconds` is killed, and its status then says so.
    package static func of(
        _ executable: FilePath, _ arguments: [String], environment: [String: String] = [:], seconds: Int = 10
    ) throws(HostError) -> CommandOutput {
        var ends: [Int32] = [-1, -1]
        try HostError.check(lh_pipe(&ends), "make a pipe for", executable.string)
        let output = OwnedDescriptor(ends[0])
        var child = ChildProcess(executable: executable, arguments: arguments)
        child.environment = environment
        let process: Pidfd
        do {
            let input = OwnedDescriptor(ends[1])
            child.standardOutput = input.rawValue
            child.standardError = input.rawValue
            process = try child.spawn()
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < deadline {
            var ready = pollfd(fd: output.rawValue, events: Int16(POLLIN), revents: 0)
            guard poll(&ready, 1, 100) > 0 else { continue }
            let count = read(output.rawValue, &chunk, chunk.count)
            if count == 0 { break }
            if count > 0, bytes.count < 64 << 10 { bytes.append(contentsOf: chunk[..<count]) }
        }
        if try !process.wait(milliseconds: 100) {
            try process.signal(SIGKILL)
            _ = try process.wait()
        }
        return CommandOutput(text: String(decoding: bytes, as: UTF8.self), status: process.reap())
    }
}
