import Glibc
package import SystemPackage

extension Files {
    /// Where a symbolic link points; nil when `path` is none or cannot be read.
    package static func linkTarget(_ path: FilePath) -> String? {
        var target = [UInt8](repeating: 0, count: 4096)
        let count = path.withPlatformString { pointer in
            target.withUnsafeMutableBufferPointer { bytes in
                bytes.withMemoryRebound(to: CChar.self) { bytes in
                    bytes.baseAddress.map { readlink(pointer, $0, bytes.count) } ?? -1
                }
            }
        }
        return count < 0 ? nil : String(decoding: target[..<count], as: UTF8.self)
    }

    /// Makes a symbolic link; one that is there already is replaced.
    package static func link(to target: FilePath, at path: FilePath) throws(HostError) {
        try remove(path)
        let result = target.withPlatformString { target in
            path.withPlatformString { symlink(target, $0) == 0 ? 0 : errno }
        }
        if result != 0 { throw HostError("link", path.string, Errno(rawValue: result)) }
    }

    /// Takes a file over that another user wrote: it must be a plain one with no other name. Afterwards it is ours and
    /// nobody may write to it.
    package static func seize(_ path: FilePath) throws(HostError) {
        let file = try open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        var status = stat()
        guard fstat(file.rawValue, &status) == 0 else {
            throw HostError("look at", path.string, Errno(rawValue: errno))
        }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1 else {
            throw HostError("take over", path.string, .notPermitted)
        }
        guard fchown(file.rawValue, geteuid(), getegid()) == 0, fchmod(file.rawValue, 0o444) == 0 else {
            throw HostError("take over", path.string, Errno(rawValue: errno))
        }
        if fsync(file.rawValue) != 0 { throw HostError("sync", path.string, Errno(rawValue: errno)) }
    }
}
