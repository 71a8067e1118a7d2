import CLinuxHost
import Glibc
package import SystemPackage

/// Small files that are either the old or the new version after a crash, never a torn one.
package enum AtomicFile {
    /// Writes a temporary file beside `path`, syncs it, renames it over `path` and syncs the folder.
    package static func write(_ bytes: some Sequence<UInt8>, to path: FilePath, mode: UInt32 = 0o600) throws(HostError)
    {
        let folder = path.removingLastComponent()
        let name = path.lastComponent?.string ?? "file"
        // The second number is greater than any pid: `Leftovers` tells the two apart.
        let temporary = folder.appending(".\(name).\(getpid()).\(UInt32.random(in: 1 << 31 ... .max)).tmp")
        do throws(HostError) {
            let file = try Files.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
            try writeAll(Array(bytes), to: file, path: temporary)
            if fsync(file.rawValue) != 0 { throw HostError("sync", temporary.string, Errno(rawValue: errno)) }
            try Files.rename(temporary, to: path)
        } catch {
            try? Files.remove(temporary)  // the first error is the one to report
            throw error
        }
        let result = folder.withPlatformString { lh_sync_directory($0) }
        try HostError.check(result, "sync", folder.string)
    }

    package static func writeAll(
        _ bytes: [UInt8], to file: borrowing OwnedDescriptor, path: FilePath
    ) throws(HostError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(file.rawValue, $0.baseAddress?.advanced(by: written), $0.count - written)
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw HostError("write", path.string, Errno(rawValue: errno))
            }
            written += count
        }
    }
}
