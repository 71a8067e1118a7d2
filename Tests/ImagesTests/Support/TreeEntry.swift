import Glibc
import LinuxHost
import SystemPackage

/// Everything about a file that an image is responsible for.
struct TreeEntry: Equatable, CustomStringConvertible {
    var mode: UInt32 = 0
    var user: UInt32 = 0
    var group: UInt32 = 0
    var seconds: Int64 = 0
    var nanoseconds: Int64 = 0
    var size: UInt64 = 0
    var hash = ""
    var target = ""
    var device: (major: UInt32, minor: UInt32) = (0, 0)
    /// All names of the same file.
    var sharers: [String] = []
    var attributes: [String: [UInt8]] = [:]

    static func == (left: TreeEntry, right: TreeEntry) -> Bool { left.description == right.description }

    var description: String {
        let names = attributes.keys.sorted().map { "\($0)=\(hexadecimal(attributes[$0] ?? []))" }.joined(separator: ",")
        return "\(String(mode, radix: 8)) \(user):\(group) \(seconds).\(nanoseconds) \(size) \(hash.prefix(12)) "
            + "→\(target) \(device.major):\(device.minor) \(sharers.joined(separator: "|")) \(names)"
    }

    var isDirectory: Bool { mode & UInt32(S_IFMT) == UInt32(S_IFDIR) }
    var isFile: Bool { mode & UInt32(S_IFMT) == UInt32(S_IFREG) }
}

/// The tree below a folder of this host.
struct HostTree {
    private(set) var entries: [String: TreeEntry] = [:]
    private var names: [UInt64: [String]] = [:]
    private var inodes: [String: UInt64] = [:]

    init(_ root: FilePath) throws {
        try visit(root, "/")
        for (path, inode) in inodes {
            if let group = names[inode], group.count > 1 { entries[path]?.sharers = group.sorted() }
        }
    }

    private mutating func visit(_ path: FilePath, _ name: String) throws {
        var status = stat()
        guard lstat(path.string, &status) == 0 else { throw HostError("stat", path.string, Errno(rawValue: errno)) }
        var entry = TreeEntry()
        (entry.mode, entry.user, entry.group) = (status.st_mode, status.st_uid, status.st_gid)
        (entry.seconds, entry.nanoseconds) = (Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec))
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            entry.size = UInt64(status.st_size)
            entry.hash = try SHA256.hash(file: path)
            names[UInt64(status.st_ino), default: []].append(name)
            inodes[name] = UInt64(status.st_ino)
        case S_IFLNK:
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = buffer.withUnsafeMutableBytes { bytes in
                bytes.baseAddress.map { readlink(path.string, $0, bytes.count) } ?? 0
            }
            entry.target = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        case S_IFCHR, S_IFBLK:
            entry.device = (
                UInt32(status.st_rdev >> 8 & 0xfff), UInt32(status.st_rdev & 0xff | status.st_rdev >> 12 & 0xfff00)
            )
        default: break
        }
        entry.attributes = try HostTree.attributes(path.string)
        entries[name] = entry
        guard entry.isDirectory else { return }
        for child in try Files.list(path) {
            try visit(path.appending(child), name == "/" ? "/" + child : name + "/" + child)
        }
    }

    // Swift's Glibc module leaves sys/xattr.h out.
    private typealias ListCall = @convention(c) (UnsafePointer<CChar>, UnsafeMutableRawPointer?, Int) -> Int
    private typealias GetCall =
        @convention(c) (
            UnsafePointer<CChar>, UnsafePointer<CChar>, UnsafeMutableRawPointer?, Int
        ) -> Int

    private static func attributes(_ path: String) throws -> [String: [UInt8]] {
        guard let list = dlsym(nil, "llistxattr"), let get = dlsym(nil, "lgetxattr") else {
            throw HostError("find", "lgetxattr", .noSuchFileOrDirectory)
        }
        let (listCall, getCall) = (unsafeBitCast(list, to: ListCall.self), unsafeBitCast(get, to: GetCall.self))
        var names = [UInt8](repeating: 0, count: 65_536)
        let count = names.withUnsafeMutableBytes { listCall(path, $0.baseAddress, $0.count) }
        var result: [String: [UInt8]] = [:]
        for name in names.prefix(max(0, count)).split(separator: 0) {
            let text = String(decoding: name, as: UTF8.self)
            var value = [UInt8](repeating: 0, count: 65_536)
            let length = value.withUnsafeMutableBytes { getCall(path, text, $0.baseAddress, $0.count) }
            result[text] = Array(value.prefix(max(0, length)))
        }
        return result
    }
}
