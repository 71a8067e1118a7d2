import Glibc
package import SystemPackage

/// What the file system that holds a folder has left.
package enum DiskSpace {
    /// Bytes that this process may still write.
    package static func available(at folder: FilePath) throws(HostError) -> UInt64 {
        var status = statvfs()
        guard folder.withPlatformString({ statvfs($0, &status) }) == 0 else {
            throw HostError("look at the space in", folder.string, Errno(rawValue: errno))
        }
        let blocks = geteuid() == 0 ? status.f_bfree : status.f_bavail
        return UInt64(blocks) * UInt64(status.f_frsize)
    }
}
