import Glibc
import SystemPackage

/// A process that cannot be mistaken for a later one with the same pid.
package struct ProcessIdentity: Sendable, Codable, Hashable {
    package let pid: Int32
    /// Field 22 of /proc/PID/stat, in clock ticks since boot.
    package let startTime: UInt64

    package init(pid: Int32, startTime: UInt64) {
        self.pid = pid
        self.startTime = startTime
    }

    /// The process `pid` as it is now, or nil if there is none.
    package init?(pid: Int32) {
        guard let startTime = ProcessIdentity.startTime(of: pid) else { return nil }
        self.init(pid: pid, startTime: startTime)
    }

    package static let current = ProcessIdentity(pid: getpid()) ?? ProcessIdentity(pid: getpid(), startTime: 0)

    /// True while the same process runs; a zombie counts as gone.
    package var isAlive: Bool {
        guard let bytes = try? Files.read(FilePath("/proc/\(pid)/stat")) else { return false }  // no such process
        let stat = String(decoding: bytes, as: UTF8.self)
        guard ProcessIdentity.startTime(inStat: stat) == startTime else { return false }
        return ProcessIdentity.fields(of: stat).first.map { $0 != "Z" && $0 != "X" } ?? false
    }

    /// Clock ticks of CPU time used so far in user and kernel mode; nil when the process is gone.
    package var cpuTicks: UInt64? {
        guard let bytes = try? Files.read(FilePath("/proc/\(pid)/stat")) else { return nil }  // no such process
        let fields = ProcessIdentity.fields(of: String(decoding: bytes, as: UTF8.self))
        guard fields.count > 12, let user = UInt64(fields[11]), let kernel = UInt64(fields[12]) else { return nil }
        return user + kernel
    }

    /// The fields from the third on: the second is the program's name and may hold spaces and brackets.
    private static func fields(of stat: String) -> [Substring] {
        guard let end = stat.lastIndex(of: ")") else { return [] }
        return stat[stat.index(after: end)...].split(separator: " ")
    }

    /// When the process that now has `pid` was started; nil when there is none.
    package static func startTime(of pid: Int32) -> UInt64? {
        guard let bytes = try? Files.read(FilePath("/proc/\(pid)/stat")) else { return nil }  // no such process
        return startTime(inStat: String(decoding: bytes, as: UTF8.self))
    }

    package static func startTime(inStat stat: String) -> UInt64? {
        let fields = fields(of: stat)
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }

    /// Changes at every boot of the host.
    package static func bootID() -> String {
        guard let bytes = try? Files.read(FilePath("/proc/sys/kernel/random/boot_id")) else { return "" }  // no /proc
        return String(decoding: bytes.prefix(36), as: UTF8.self)
    }
}
