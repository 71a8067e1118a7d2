import Glibc
import LinuxHost
import SystemPackage
import VMM

/// Keeps what guests print on their consoles from filling the disk.
///
/// The kernel bounds it for a machine without a writable disk (`MachineFiles.sizeLimit`). With one, that bound is the
/// disk's size, so whoever comes by cuts the log: a gateway every few seconds, and every command that sweeps.
struct ConsoleLimit {
    static let bytes: off_t = 16 << 20
    /// What explains the end of a machine is at the end of its log.
    static let kept = 64 << 10

    /// The VMM appends, so that it goes on at the new end. What cannot be cut now is cut the next time.
    static func cut(_ path: FilePath) {
        guard let file = try? Files.open(path, O_RDWR | O_APPEND | O_NOFOLLOW) else { return }
        let size = lseek(file.rawValue, 0, SEEK_END)
        guard size > bytes else { return }
        var tail = [UInt8](repeating: 0, count: kept)
        let count = tail.withUnsafeMutableBytes { pread(file.rawValue, $0.baseAddress, $0.count, size - off_t(kept)) }
        guard ftruncate(file.rawValue, 0) == 0, count > 0 else { return }
        _ = tail.withUnsafeBytes { write(file.rawValue, $0.baseAddress, count) }
    }
}

extension MachineRecords {
    package func cutConsoles() throws(MachineError) {
        for id in try ids() { ConsoleLimit.cut(MachineFiles(folder(of: id)).console) }
    }
}
