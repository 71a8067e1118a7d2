import Glibc
package import LinuxHost
package import SystemPackage

/// The files of one machine's folder that its VMM uses.
package struct MachineFiles: Sendable, Hashable {
    package let directory: FilePath

    package init(_ directory: FilePath) {
        self.directory = directory
    }

    package var socket: FilePath { directory.appending("vmm.sock") }
    /// The guest's serial console.
    package var console: FilePath { directory.appending("console.log") }
    /// What the VMM itself has to say.
    package var log: FilePath { directory.appending("vmm.log") }

    /// Opens a log for appending; an earlier machine's text in it is dropped.
    package static func openLog(_ path: FilePath) throws(HostError) -> OwnedDescriptor {
        try Files.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW)
    }

    /// The last lines of a log as one line, at most `limit` bytes; empty when there is none.
    package static func tail(_ path: FilePath, limit: Int = 1024) -> String {
        // A log that cannot be read has nothing to tell.
        guard let file = try? Files.open(path, O_RDONLY | O_NOFOLLOW) else { return "" }
        let size = lseek(file.rawValue, 0, SEEK_END)
        lseek(file.rawValue, max(0, size - off_t(limit)), SEEK_SET)
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = max(0, read(file.rawValue, &bytes, limit))
        let lines = String(decoding: bytes[..<count], as: UTF8.self).split(whereSeparator: \.isNewline)
        return lines.map { $0.filter { !$0.isASCII || $0 >= " " } }.joined(separator: "; ")
    }

    /// RLIMIT_FSIZE of a VMM: what a guest can make its console log grow to. A writable disk must stay below it, so the
    /// log of a machine with a scratch disk is cut by `MachineRecords.cutConsoles` besides.
    package static func sizeLimit(scratchDisk: FilePath?) -> UInt64 {
        let least: UInt64 = 16 << 20
        guard let scratchDisk else { return least }
        var status = stat()
        let found = scratchDisk.withPlatformString { stat($0, &status) == 0 }
        return found ? max(least, UInt64(status.st_size)) : least
    }
}
