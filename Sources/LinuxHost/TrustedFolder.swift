import Glibc
package import SystemPackage

/// Folders into which nobody but root and we can put anything.
package enum TrustedFolder {
    /// Throws `EACCES` and names the folder when `path` or one above it belongs to somebody else or may be written to
    /// by others: they could replace what is below between our looking and our using it. Folders like /tmp, in which
    /// only the owner may rename, are trusted as parents.
    package static func verify(_ path: FilePath) throws(HostError) {
        guard let resolved = realpath(path.string, nil) else {
            throw HostError("find the folder", path.string, Errno(rawValue: errno))
        }
        defer { free(resolved) }
        var folder = FilePath(platformString: resolved)
        var isParent = false
        while true {
            var status = stat()
            guard folder.withPlatformString({ lstat($0, &status) }) == 0 else {
                throw HostError("look at the folder", folder.string, Errno(rawValue: errno))
            }
            let isOurs = status.st_uid == 0 || status.st_uid == geteuid()
            let isOpen = status.st_mode & 0o022 != 0 && !(isParent && status.st_mode & S_ISVTX != 0)
            if !isOurs || isOpen {
                throw HostError("trust a folder that others can change,", folder.string, .permissionDenied)
            }
            let parent = folder.removingLastComponent()
            if parent == folder { return }
            folder = parent
            isParent = true
        }
    }
}
