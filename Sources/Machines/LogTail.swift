import GuestBoot
import LinuxHost
import SystemPackage
import VMM

/// The end of what an app printed, as lines for an error message.
enum LogTail {
    static let lines = 20

    static func lines(of bytes: [UInt8], most: Int = LogTail.lines) -> [String] {
        let text = String(decoding: bytes.suffix(16 << 10), as: UTF8.self)
        let lines = text.split(whereSeparator: \.isNewline).map(String.init)
        return Array(lines.suffix(most))
    }

    /// PID 1's last words on the console; nil when it said none.
    static func report(in folder: FilePath) -> ConsoleReport? {
        // Without a console log there is no report.
        guard let bytes = try? Files.read(MachineFiles(folder).console, limit: .max) else { return nil }
        return ConsoleReport(in: bytes)
    }

    /// Why the guest's kernel gave up; nil when it did not.
    static func panic(in folder: FilePath) -> KernelPanic? {
        // Without a console log nothing was said.
        guard let bytes = try? Files.read(MachineFiles(folder).console, limit: .max) else { return nil }
        return KernelPanic(in: bytes)
    }

    /// The end of a machine's console log; empty when there is none.
    static func console(in folder: FilePath) -> [String] {
        // Without a console there is nothing to quote, and the error it would go with is the one to report.
        guard let bytes = try? Files.read(MachineFiles(folder).console, limit: .max) else { return [] }
        return lines(of: bytes)
    }
}
