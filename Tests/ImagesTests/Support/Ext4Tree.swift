@preconcurrency import CExt2FS
import Glibc
import LinuxHost
import SystemPackage

/// The tree inside an ext4 image, read with libext2fs: an image is never mounted on the host.
final class Ext4Tree {
    private(set) var entries: [String: TreeEntry] = [:]
    private let system: ext2_filsys
    private var names: [UInt32: [String]] = [:]
    private var inodes: [String: UInt32] = [:]

    init(_ path: FilePath) throws {
        var opened: ext2_filsys?
        let result = ext2fs_open(path.string, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &opened)
        guard result == 0, let opened else { throw HostError("open", path.string, .ioError) }
        system = opened
        try visit(2, "/")
        for (path, inode) in inodes {
            if let group = names[inode], group.count > 1 { entries[path]?.sharers = group.sorted() }
        }
    }

    deinit {
        ext2fs_free(system)
    }

    private func check(_ result: errcode_t, _ what: String) throws {
        if result != 0 { throw HostError(what, "code \(result)", .ioError) }
    }

    private func visit(_ number: UInt32, _ name: String) throws {
        var inode = ext2_inode_large()
        try withUnsafeMutablePointer(to: &inode) { pointer in
            try pointer.withMemoryRebound(to: ext2_inode.self, capacity: 1) {
                try check(
                    ext2fs_read_inode_full(system, number, $0, Int32(MemoryLayout<ext2_inode_large>.size)), "inode")
            }
        }
        var entry = TreeEntry()
        entry.mode = UInt32(inode.i_mode)
        entry.user = UInt32(inode.i_uid) | UInt32(inode.osd2.linux2.l_i_uid_high) << 16
        entry.group = UInt32(inode.i_gid) | UInt32(inode.osd2.linux2.l_i_gid_high) << 16
        entry.seconds = Int64(Int32(bitPattern: inode.i_mtime)) + Int64(inode.i_mtime_extra & 3) << 32
        entry.nanoseconds = Int64(inode.i_mtime_extra >> 2)
        let size = UInt64(inode.i_size) | UInt64(inode.i_size_high) << 32
        switch mode_t(inode.i_mode) & S_IFMT {
        case S_IFREG:
            entry.size = size
            entry.hash = try hash(number)
            names[number, default: []].append(name)
            inodes[name] = number
        case S_IFLNK:
            let inside = withUnsafeBytes(of: inode.i_block) { Array($0.prefix(Int(min(size, 60)))) }
            let bytes = size < 60 ? inside : try content(number)
            entry.target = String(decoding: bytes, as: UTF8.self)
        case S_IFCHR, S_IFBLK:
            let (old, new) = (inode.i_block.0, inode.i_block.1)
            entry.device = old != 0 ? (old >> 8, old & 0xff) : (new >> 8 & 0xfff, new & 0xff | new >> 12 & 0xfff00)
        default: break
        }
        entry.attributes = try attributes(number)
        entries[name] = entry
        guard entry.isDirectory else { return }
        for (child, inode) in try children(number) {
            try visit(inode, name == "/" ? "/" + child : name + "/" + child)
        }
    }

    private func children(_ number: UInt32) throws -> [(String, UInt32)] {
        final class List { var items: [(String, UInt32)] = [] }
        let list = List()
        try check(
            ext2fs_dir_iterate(
                system, number, 0, nil,
                { entry, _, _, _, context in
                    guard let entry, let context else { return 0 }
                    let length = Int(entry.pointee.name_len & 0xff)
                    let start = UnsafeRawPointer(entry) + 8
                    let name = String(decoding: UnsafeRawBufferPointer(start: start, count: length), as: UTF8.self)
                    if name != ".", name != ".." {
                        Unmanaged<List>.fromOpaque(context).takeUnretainedValue().items.append(
                            (name, entry.pointee.inode))
                    }
                    return 0
                }, Unmanaged.passUnretained(list).toOpaque()), "directory")
        return list.items
    }

    private func hash(_ number: UInt32) throws -> String {
        let hash = SHA256()
        try read(number) { hash.update($0) }
        return hash.finish()
    }

    private func content(_ number: UInt32) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try read(number) { bytes.append(contentsOf: $0) }
        return bytes
    }

    private func read(_ number: UInt32, _ body: (UnsafeRawBufferPointer) -> Void) throws {
        var file: ext2_file_t?
        try check(ext2fs_file_open(system, number, 0, &file), "open")
        defer { ext2fs_file_close(file) }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            var count: UInt32 = 0
            try check(ext2fs_file_read(file, &buffer, UInt32(buffer.count), &count), "read")
            if count == 0 { return }
            buffer.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[..<Int(count)])) }
        }
    }

    private func attributes(_ number: UInt32) throws -> [String: [UInt8]] {
        final class List { var items: [String: [UInt8]] = [:] }
        var handle: OpaquePointer?
        try check(ext2fs_xattrs_open(system, number, &handle), "attributes")
        defer { ext2fs_xattrs_close(&handle) }
        try check(ext2fs_xattrs_read(handle), "attributes")
        let list = List()
        try check(
            ext2fs_xattrs_iterate(
                handle,
                { name, value, count, context in
                    guard let name, let context else { return 0 }
                    let bytes = [UInt8](UnsafeRawBufferPointer(start: value, count: count))
                    Unmanaged<List>.fromOpaque(context).takeUnretainedValue().items[String(cString: name)] = bytes
                    return 0
                }, Unmanaged.passUnretained(list).toOpaque()), "attributes")
        return list.items
    }
}
