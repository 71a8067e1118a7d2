@preconcurrency import CExt2FS
import Glibc
import LinuxHost
import SystemPackage

/// An ext4 file system being made by libext2fs around content that the caller has placed.
final class Ext4Volume {
    let system: ext2_filsys
    let path: FilePath
    private var isOpen = true

    init(_ path: FilePath, _ geometry: Geometry, identity: [UInt8], freed: [Extent]) throws(ImageError) {
        var parameters = ext2_super_block()
        parameters.s_rev_level = UInt32(EXT2_DYNAMIC_REV)
        parameters.s_log_block_size = 2
        parameters.s_log_cluster_size = 2
        parameters.s_blocks_count = UInt32(geometry.blocks)
        parameters.s_inodes_count = UInt32(geometry.groups * geometry.inodesPerGroup)
        parameters.s_inode_size = 256
        parameters.s_min_extra_isize = 32
        parameters.s_want_extra_isize = 32
        parameters.s_log_groups_per_flex = 4
        // No copies of the superblock (sparse_super2 with none named): content lies where they would be.
        parameters.s_feature_compat = UInt32(EXT2_FEATURE_COMPAT_EXT_ATTR | EXT4_FEATURE_COMPAT_SPARSE_SUPER2)
        parameters.s_feature_incompat = UInt32(
            EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS | EXT4_FEATURE_INCOMPAT_FLEX_BG)
        parameters.s_feature_ro_compat = UInt32(
            EXT2_FEATURE_RO_COMPAT_LARGE_FILE | EXT4_FEATURE_RO_COMPAT_HUGE_FILE
                | EXT4_FEATURE_RO_COMPAT_DIR_NLINK | EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE)
        var opened: ext2_filsys?
        let result = ext2fs_initialize(
            path.string, EXT2_FLAG_64BITS, &parameters, unix_io_manager, &opened)
        guard result == 0, let opened else { throw Ext4Volume.error(result, path) }
        system = opened
        self.path = path
        try prepare(geometry, identity: identity, freed: freed)
    }

    deinit {
        // After a failure the half-made image is removed by its owner; nothing of it needs to be written.
        if isOpen { ext2fs_free(system) }
    }

    private func prepare(_ geometry: Geometry, identity: [UInt8], freed: [Extent]) throws(ImageError) {
        guard Int(system.pointee.group_desc_count) == geometry.groups,
            Int(system.pointee.super.pointee.s_inodes_per_group) == geometry.inodesPerGroup,
            Int(system.pointee.desc_blocks) < Int(DataArea.firstBlock)
        else { preconditionFailure("the geometry is what libext2fs computes from the same numbers") }
        system.pointee.now = Ext4Writer.epoch
        let superblock = system.pointee.super
        superblock?.pointee.s_mkfs_time = UInt32(Ext4Writer.epoch)
        superblock?.pointee.s_lastcheck = UInt32(Ext4Writer.epoch)
        superblock?.pointee.s_wtime = UInt32(Ext4Writer.epoch)
        superblock?.pointee.s_max_mnt_count = -1
        superblock?.pointee.s_checkinterval = 0
        identity.withUnsafeBytes { bytes in
            withUnsafeMutableBytes(of: &system.pointee.super.pointee.s_uuid) {
                $0.copyBytes(from: UnsafeRawBufferPointer(rebasing: bytes[..<16]))
                // The variant and version bits of a random UUID, so that tools print it as one.
                $0[6] = $0[6] & 0x0f | 0x40
                $0[8] = $0[8] & 0x3f | 0x80
            }
            withUnsafeMutableBytes(of: &system.pointee.super.pointee.s_hash_seed) {
                $0.copyBytes(from: UnsafeRawBufferPointer(rebasing: bytes[16..<32]))
            }
        }
        for group in 0..<geometry.groups {
            let number = dgrp_t(group)
            ext2fs_block_bitmap_loc_set(system, number, blk64_t(geometry.blockBitmap(group)))
            ext2fs_inode_bitmap_loc_set(system, number, blk64_t(geometry.inodeBitmap(group)))
            ext2fs_inode_table_loc_set(system, number, blk64_t(geometry.inodeTable(group)))
        }
        let first = blk64_t(DataArea.firstBlock)
        let used = blk64_t(geometry.tables + geometry.tableBlocks) - first
        ext2fs_mark_block_bitmap_range2(system.pointee.block_map, first, UInt32(used))
        for extent in freed {
            ext2fs_unmark_block_bitmap_range2(system.pointee.block_map, blk64_t(extent.physical), extent.count)
        }
        for inode in 1...10 where inode != 2 { ext2fs_inode_alloc_stats2(system, ext2_ino_t(inode), 1, 0) }
    }

    /// Writes bitmaps, group descriptors and the superblock.
    func close() throws(ImageError) {
        try check(ext2fs_calculate_summary_stats(system, 0))
        for group in 0..<system.pointee.group_desc_count {
            // "Uninitialised" only has a meaning with checksums of the descriptors; every table here is complete.
            ext2fs_bg_flags_zap(system, group)
            ext2fs_bg_itable_unused_set(system, group, 0)
        }
        isOpen = false
        var handle: ext2_filsys? = system
        try check(ext2fs_close_free(&handle))
    }

    func check(_ result: errcode_t) throws(ImageError) {
        if result != 0 { throw Ext4Volume.error(result, path) }
    }

    /// libext2fs returns errno values as they are and its own codes above them.
    static func error(_ code: errcode_t, _ path: FilePath) -> ImageError {
        if (1..<4096).contains(code) { return .host(HostError("write", path.string, Errno(rawValue: Int32(code)))) }
        let text = error_message(code).map { String(cString: $0) } ?? "code \(code)"
        return .host(HostError("write the ext4 image (\(text))", path.string, .ioError))
    }
}
