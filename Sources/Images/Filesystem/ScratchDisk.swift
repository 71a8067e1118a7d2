@preconcurrency import CExt2FS
import Glibc
package import LinuxHost
package import SystemPackage

/// An empty, writable ext4 file system for one machine: the upper layer of its overlay.
///
/// The file is sparse and takes a few blocks until the guest writes. No journal: the disk lives and dies with its
/// machine, and nobody mounts it again after a crash.
package enum ScratchDisk {
    /// Makes the file at `path`, which must not exist; after an error it does not exist either.
    package static func make(at path: FilePath, size: MemorySize) throws(ImageError) {
        try onHost { () throws(HostError) in
            let file = try Files.open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)
            if ftruncate(file.rawValue, off_t(size.bytes)) != 0 {
                throw HostError("make the disk", path.string, Errno(rawValue: errno))
            }
        }
        do throws(ImageError) {
            try format(path, size)
        } catch {
            try? Files.remove(path)  // the first error is the one to report
            throw error
        }
    }

    private static func format(_ path: FilePath, _ size: MemorySize) throws(ImageError) {
        var parameters = ext2_super_block()
        parameters.s_rev_level = UInt32(EXT2_DYNAMIC_REV)
        parameters.s_log_block_size = 2
        parameters.s_log_cluster_size = 2
        let blocks = size.bytes / 4096
        parameters.s_blocks_count = UInt32(truncatingIfNeeded: blocks)
        parameters.s_blocks_count_hi = UInt32(truncatingIfNeeded: blocks >> 32)
        parameters.s_inode_size = 256
        parameters.s_min_extra_isize = 32
        parameters.s_want_extra_isize = 32
        parameters.s_log_groups_per_flex = 4
        parameters.s_feature_compat = UInt32(EXT2_FEATURE_COMPAT_EXT_ATTR)
        parameters.s_feature_incompat = UInt32(
            EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS | EXT4_FEATURE_INCOMPAT_FLEX_BG
                | EXT4_FEATURE_INCOMPAT_64BIT)
        parameters.s_feature_ro_compat = UInt32(
            EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE
                | EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_DIR_NLINK
                | EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE)
        var opened: ext2_filsys?
        let result = ext2fs_initialize(path.string, EXT2_FLAG_64BITS, &parameters, unix_io_manager, &opened)
        guard result == 0, let system = opened else { throw Ext4Volume.error(result, path) }
        var isOpen = true
        defer { if isOpen { ext2fs_free(system) } }
        // The inode tables are holes of the file, and holes read as the zeros that they must hold.
        for step in [
            { ext2fs_allocate_tables(system) },
            { ext2fs_mkdir(system, ext2_ino_t(EXT2_ROOT_INO), ext2_ino_t(EXT2_ROOT_INO), nil) },
        ] {
            let result = step()
            guard result == 0 else { throw Ext4Volume.error(result, path) }
        }
        for inode in 1...10 where inode != 2 { ext2fs_inode_alloc_stats2(system, ext2_ino_t(inode), 1, 0) }
        isOpen = false
        var handle: ext2_filsys? = system
        let closed = ext2fs_close_free(&handle)
        guard closed == 0 else { throw Ext4Volume.error(closed, path) }
    }
}
