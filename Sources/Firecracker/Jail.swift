import Glibc
import LinuxHost
import SystemPackage

/// The folder that the jailer makes the root of one Firecracker.
struct Jail: Sendable, Hashable {
    let base: FilePath
    /// The jailer names a folder after the binary.
    let executableName: String
    let id: String

    var folder: FilePath { base.appending(executableName).appending(id) }
    var root: FilePath { folder.appending("root") }

    /// Everything that any Firecracker binary of any name left for `id`.
    static func leftovers(base: FilePath, id: String) throws(HostError) -> [FilePath] {
        var found: [FilePath] = []
        for name in try Files.list(base) {
            let folder = base.appending(name).appending(id)
            if Files.exists(folder) { found.append(folder) }
        }
        return found
    }

    /// Makes the root, which must not exist, before the jailer fills it.
    func create() throws(HostError) {
        if Files.exists(folder) { throw HostError("create the jail", folder.string, .fileExists) }
        try Files.makeDirectory(root)
    }

    /// Gives the jail a file under `name`. A hard link, which costs nothing and shares the page cache; a copy where the
    /// file is on another file system or `reader` could not read it.
    func place(_ file: FilePath, as name: String, reader: UInt32) throws(HostError) {
        let source = try Files.open(file)
        var status = stat()
        guard fstat(source.rawValue, &status) == 0 else {
            throw HostError("look at", file.string, Errno(rawValue: errno))
        }
        let target = root.appending(name)
        if status.st_mode & 0o004 != 0 || status.st_uid == reader {
            // Through the descriptor, so that a link in the path is followed and the file checked is the file linked.
            let result = linkat(
                AT_FDCWD, "/proc/self/fd/\(source.rawValue)", AT_FDCWD, target.string, Int32(AT_SYMLINK_FOLLOW))
            if result == 0 { return }
            guard errno == EXDEV else { throw HostError("link into the jail", file.string, Errno(rawValue: errno)) }
        }
        let copy = try Files.open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o444)
        try MemoryFile.copy(source, to: copy, count: Int64(status.st_size), name: file.string)
        try own(copy, target, reader)
    }

    /// Links a file that the machine alone uses into the jail and gives it to `owner`, who may write to it.
    func hand(_ file: FilePath, as name: String, owner: UInt32) throws(HostError) {
        let opened = try Files.open(file, O_RDWR | O_NOFOLLOW)
        let target = root.appending(name)
        let result = file.withPlatformString { source in
            target.withPlatformString { link(source, $0) == 0 ? 0 : errno }
        }
        if result == EXDEV {
            throw HostError(
                "link into the jail, which must be on the same file system,", file.string, Errno(rawValue: result))
        }
        if result != 0 { throw HostError("link into the jail", file.string, Errno(rawValue: result)) }
        try own(opened, file, owner)
    }

    private func own(_ file: borrowing OwnedDescriptor, _ path: FilePath, _ owner: UInt32) throws(HostError) {
        if fchown(file.rawValue, owner, owner) != 0 {
            throw HostError("change the owner of", path.string, Errno(rawValue: errno))
        }
    }
}
