import CLinuxHost
import Glibc
package import SystemPackage

/// Opening, listing and removing files with errors that name the path.
package enum Files {
    /// open(2), always close-on-exec.
    package static func open(
        _ path: FilePath, _ flags: Int32 = O_RDONLY, mode: UInt32 = 0o600
    ) throws(HostError) -> OwnedDescriptor {
        let result = path.withPlatformString { lh_open($0, flags, mode) }
        return OwnedDescriptor(try HostError.check(result, "open", path.string))
    }

    package static func exists(_ path: FilePath) -> Bool {
        path.withPlatformString { access($0, F_OK) == 0 }
    }

    /// Creates `path` and its missing parents; an existing folder keeps its mode.
    package static func makeDirectory(_ path: FilePath, mode: UInt32 = 0o700) throws(HostError) {
        let result = path.withPlatformString { mkdir($0, mode) == 0 ? 0 : errno }
        if result == 0 || (result == EEXIST && isDirectory(path)) { return }
        let parent = path.removingLastComponent()
        guard result == ENOENT, parent != path, !parent.isEmpty else {
            throw HostError("create the folder", path.string, Errno(rawValue: result))
        }
        try makeDirectory(parent, mode: mode)
        let again = path.withPlatformString { mkdir($0, mode) == 0 ? 0 : errno }
        if again != 0, again != EEXIST { throw HostError("create the folder", path.string, Errno(rawValue: again)) }
    }

    package static func isDirectory(_ path: FilePath) -> Bool {
        path.withPlatformString { pointer in
            var status = stat()
            return stat(pointer, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
        }
    }

    /// The whole of a small file; throws `EFBIG` past `limit` bytes.
    package static func read(_ path: FilePath, limit: Int = 16 << 20) throws(HostError) -> [UInt8] {
        let file = try open(path)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(file.rawValue, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw HostError("read", path.string, Errno(rawValue: errno))
            }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
            if bytes.count > limit { throw HostError("read", path.string, .fileTooLarge) }
        }
    }

    /// Names inside a folder, sorted; a missing folder is an empty one.
    package static func list(_ directory: FilePath) throws(HostError) -> [String] {
        guard let stream = directory.withPlatformString({ opendir($0) }) else {
            if errno == ENOENT { return [] }
            throw HostError("list", directory.string, Errno(rawValue: errno))
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Removes a file; one that is already gone is no error.
    package static func remove(_ path: FilePath) throws(HostError) {
        let result = path.withPlatformString { unlink($0) == 0 ? 0 : errno }
        if result != 0, result != ENOENT { throw HostError("remove", path.string, Errno(rawValue: result)) }
    }

    /// Removes a folder and all below it without following links; a missing one is no error.
    package static func removeTree(_ path: FilePath) throws(HostError) {
        let kind = path.withPlatformString { pointer -> mode_t? in
            var status = stat()
            return lstat(pointer, &status) == 0 ? status.st_mode & S_IFMT : nil
        }
        guard let kind else { return }
        guard kind == S_IFDIR else { return try remove(path) }
        for name in try list(path) { try removeTree(path.appending(name)) }
        let result = path.withPlatformString { rmdir($0) == 0 ? 0 : errno }
        if result != 0, result != ENOENT { throw HostError("remove", path.string, Errno(rawValue: result)) }
    }

    package static func rename(_ from: FilePath, to target: FilePath) throws(HostError) {
        let result = from.withPlatformString { source in
            target.withPlatformString { Glibc.rename(source, $0) == 0 ? 0 : errno }
        }
        if result != 0 { throw HostError("rename", "\(from.string) to \(target.string)", Errno(rawValue: result)) }
    }

    /// Makes an unprivileged user the owner of a file, which must not be a link.
    package static func give(_ path: FilePath, to user: UInt32) throws(HostError) {
        let result = path.withPlatformString { lchown($0, user, user) == 0 ? 0 : errno }
        if result != 0 { throw HostError("change the owner of", path.string, Errno(rawValue: result)) }
    }
}
