@preconcurrency import CExt2FS
import Glibc
import LinuxHost

/// Writing the inode of one node: metadata, block map, attributes.
extension Ext4Volume {
    func write(_ node: Node, _ extents: [Extent]) throws(ImageError) {
        var inode = ext2_inode_large()
        inode.i_extra_isize = 32
        setAttributes(&inode, node)
        switch node.content {
        case .directory(let children):
            let folders = children.values.count { $0.node.isDirectory }
            // ext4 writes 1 for "more than 64998".
            inode.i_links_count = folders + 2 > 64_998 ? 1 : UInt16(folders + 2)
            setSize(&inode, UInt64(extents.reduce(0) { $0 + UInt64($1.count) }) * DataArea.blockSize)
        case .file(let size, _): setSize(&inode, size)
        case .symbolicLink(let target):
            setSize(&inode, UInt64(target.count))
            if extents.isEmpty {
                withUnsafeMutableBytes(of: &inode.i_block) { $0.copyBytes(from: target) }
            }
        case .device(_, let major, let minor):
            if major < 256, minor < 256 {
                inode.i_block.0 = major << 8 | minor
            } else {
                inode.i_block.1 = minor & 0xff | major << 8 | (minor & ~0xff) << 12
            }
        case .fifo: break
        }
        let isDirectory: Int32 = node.isDirectory ? 1 : 0
        ext2fs_inode_alloc_stats2(system, node.inode, 1, isDirectory)
        try map(extents, &inode, node)
        try store(&inode, node)
        if !node.attributes.extended.isEmpty { try storeExtended(node) }
    }

    private func setAttributes(_ inode: inout ext2_inode_large, _ node: Node) {
        let attributes = node.attributes
        inode.i_mode = node.formatBits | attributes.permissions
        inode.i_uid = UInt16(truncatingIfNeeded: attributes.user)
        inode.i_gid = UInt16(truncatingIfNeeded: attributes.group)
        inode.osd2.linux2.l_i_uid_high = UInt16(attributes.user >> 16)
        inode.osd2.linux2.l_i_gid_high = UInt16(attributes.group >> 16)
        inode.i_links_count = UInt16(clamping: node.links)
        // 34 bits of seconds: the low 32 are signed, two more count what overflows; then 30 bits of nanoseconds.
        let seconds = min(max(attributes.seconds, -(1 << 31)), (1 << 34) - (1 << 31) - 1)
        let low = Int32(truncatingIfNeeded: seconds)
        let time = UInt32(bitPattern: low)
        let extra = UInt32((seconds - Int64(low)) >> 32 & 3) | min(attributes.nanoseconds, 999_999_999) << 2
        (inode.i_atime, inode.i_ctime, inode.i_mtime, inode.i_crtime) = (time, time, time, time)
        (inode.i_atime_extra, inode.i_ctime_extra, inode.i_mtime_extra, inode.i_crtime_extra) = (
            extra, extra, extra, extra
        )
    }

    private func setSize(_ inode: inout ext2_inode_large, _ size: UInt64) {
        inode.i_size = UInt32(truncatingIfNeeded: size)
        inode.i_size_high = UInt32(size >> 32)
    }

    /// Enters where the content lies: up to four runs in the inode itself, more in a tree that libext2fs builds.
    private func map(_ extents: [Extent], _ inode: inout ext2_inode_large, _ node: Node) throws(ImageError) {
        switch node.content {
        case .file, .directory: break
        case .symbolicLink where !extents.isEmpty: break
        default: return
        }
        inode.i_flags |= UInt32(EXT4_EXTENTS_FL)
        let runs = extents.flatMap(\.split)
        let sectors = extents.reduce(UInt64(0)) { $0 + UInt64($1.count) } * (DataArea.blockSize / 512)
        inode.i_blocks = UInt32(truncatingIfNeeded: sectors)
        inode.osd2.linux2.l_i_blocks_hi = UInt16(sectors >> 32)
        withUnsafeMutableBytes(of: &inode.i_block) { block in
            // Magic, entries, room for four, depth 0.
            block.storeBytes(of: 0xF30A, toByteOffset: 0, as: UInt16.self)
            block.storeBytes(of: runs.count <= 4 ? UInt16(runs.count) : 0, toByteOffset: 2, as: UInt16.self)
            block.storeBytes(of: 4, toByteOffset: 4, as: UInt16.self)
            for (index, run) in runs.enumerated() where runs.count <= 4 {
                let start = 12 + 12 * index
                block.storeBytes(of: run.logical, toByteOffset: start, as: UInt32.self)
                block.storeBytes(of: UInt16(run.count), toByteOffset: start + 4, as: UInt16.self)
                block.storeBytes(of: run.physical, toByteOffset: start + 8, as: UInt32.self)
            }
        }
        guard runs.count > 4 else { return }
        try store(&inode, node)
        try insert(runs, node)
        try withUnsafeMutablePointer(to: &inode) { pointer throws(ImageError) in
            try pointer.withMemoryRebound(to: ext2_inode.self, capacity: 1) { inode throws(ImageError) in
                try check(ext2fs_read_inode_full(system, node.inode, inode, Int32(MemoryLayout<ext2_inode_large>.size)))
            }
        }
    }

    private func insert(_ runs: [Extent], _ node: Node) throws(ImageError) {
        var handle: ext2_extent_handle_t?
        try check(ext2fs_extent_open2(system, node.inode, nil, &handle))
        defer { ext2fs_extent_free(handle) }
        for run in runs {
            var extent = ext2fs_extent()
            extent.e_pblk = blk64_t(run.physical)
            extent.e_lblk = blk64_t(run.logical)
            extent.e_len = run.count
            try check(ext2fs_extent_insert(handle, EXT2_EXTENT_INSERT_AFTER, &extent))
        }
    }

    private func store(_ inode: inout ext2_inode_large, _ node: Node) throws(ImageError) {
        try withUnsafeMutablePointer(to: &inode) { pointer throws(ImageError) in
            // The 160 bytes that the header describes; the rest of the 256 stays as it is on disk, zero.
            try pointer.withMemoryRebound(to: ext2_inode.self, capacity: 1) { inode throws(ImageError) in
                try check(
                    ext2fs_write_inode_full(
                        system, node.inode, inode, Int32(MemoryLayout<ext2_inode_large>.size)))
            }
        }
    }

    private func storeExtended(_ node: Node) throws(ImageError) {
        var handle: OpaquePointer?
        try check(ext2fs_xattrs_open(system, node.inode, &handle))
        defer { ext2fs_xattrs_close(&handle) }
        for attribute in node.attributes.extended {
            let result = attribute.value.withUnsafeBytes {
                ext2fs_xattr_set(handle, attribute.name, $0.baseAddress ?? UnsafeRawPointer(bitPattern: 8), $0.count)
            }
            if result != 0 {
                let reason = "a file has the attribute \(attribute.name), which ext4 cannot hold"
                throw .badData(subject: "the image", reason: reason)
            }
        }
        try check(ext2fs_xattrs_write(handle))
    }
}

extension Extent {
    /// ext4 counts up to 32768 blocks in one extent.
    var split: [Extent] {
        stride(from: UInt32(0), to: count, by: 32_768).map {
            Extent(logical: logical + $0, physical: physical + $0, count: min(32_768, count - $0))
        }
    }
}

extension Node {
    var formatBits: UInt16 {
        switch content {
        case .directory: UInt16(S_IFDIR)
        case .file: UInt16(S_IFREG)
        case .symbolicLink: UInt16(S_IFLNK)
        case .device(let isBlock, _, _): UInt16(isBlock ? S_IFBLK : S_IFCHR)
        case .fifo: UInt16(S_IFIFO)
        }
    }
}
