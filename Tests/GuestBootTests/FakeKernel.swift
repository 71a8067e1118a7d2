import CArchive
import Glibc
import Testing

/// Files with the outer form of kernels, modules and packages.
enum FakeKernel {
    /// An x86-64 ELF that has something to load.
    static let elf = elf(segments: [(1, [])])

    /// An x86-64 ELF with segments of these kinds and contents.
    static func elf(kind: UInt8 = 2, segments: [(kind: UInt32, content: [UInt8])]) -> [UInt8] {
        func bytes(_ value: Int, _ width: Int) -> [UInt8] {
            (0..<width).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        let end = 64 + 56 * segments.count
        let head =
            [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + bytes(0, 9) + [kind, 0, 62, 0] + bytes(1, 4) + bytes(0x100_0000, 8)
            + bytes(64, 8) + bytes(0, 12) + bytes(64, 2) + bytes(56, 2) + bytes(segments.count, 2) + bytes(0, 6)
        var table: [UInt8] = []
        var contents: [UInt8] = []
        for (kind, content) in segments {
            table += bytes(Int(kind), 8) + bytes(end + contents.count, 8) + bytes(0, 16)
            table += bytes(content.count, 8) + bytes(content.count, 8) + bytes(0, 8)
            contents += content
        }
        return head + table + contents + Array("kernel".utf8)
    }

    /// The ELF note by which a kernel offers an entry to a PVH hypervisor.
    static let pvhNote: [UInt8] = [4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0] + Array("Xen\0".utf8) + [0, 0, 0, 1]

    static func module(depends: String) -> [UInt8] {
        Array("\u{7f}ELF\0license=GPL\0depends=\(depends)\0name=x\0".utf8)
    }

    /// A bzImage with `elf` compressed by one of libarchive's filters.
    static func bzImage(filter: String) throws -> [UInt8] {
        let payload = try write(format: "raw", filter: filter, files: [("kernel", elf)]) + [0, 0, 0, 0]
        var head = [UInt8](repeating: 0, count: 3 * 512)
        head[0x1f1] = 2
        head.replaceSubrange(0x202..<0x206, with: Array("HdrS".utf8))
        for index in 0..<4 {
            head[0x248 + index] = 0
            head[0x24c + index] = UInt8(truncatingIfNeeded: payload.count >> (index * 8))
        }
        return head + payload
    }

    /// A Debian package with that kernel and two modules of which one needs the other.
    static func package(kernel: [UInt8]) throws -> [UInt8] {
        let folder = "./lib/modules/1-test/kernel/drivers/"
        let data = try write(
            format: "gnutar", filter: "xz",
            files: [
                ("./boot/vmlinuz-1-test", kernel),
                (folder + "block/virtio_blk.ko", module(depends: "virtio-ring,absent")),
                (folder + "virtio/virtio_ring.ko", module(depends: "")),
                (folder + "net/virtio_unwanted.ko", module(depends: "")),
            ])
        return try write(
            format: "ar", filter: "none", files: [("debian-binary", Array("2.0\n".utf8)), ("data.tar.xz", data)])
    }

    static func write(format: String, filter: String, files: [(String, [UInt8])]) throws -> [UInt8] {
        let archive = try #require(archive_write_new())
        defer { archive_write_free(archive) }
        let name = format == "ar" ? "arsvr4" : format
        try #require(archive_write_set_format_by_name(archive, name) == ARCHIVE_OK)
        try #require(filter == "none" || archive_write_add_filter_by_name(archive, filter) == ARCHIVE_OK)
        archive_write_set_bytes_in_last_block(archive, 1)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var used = 0
        try buffer.withUnsafeMutableBytes { memory in
            try #require(archive_write_open_memory(archive, memory.baseAddress, memory.count, &used) == ARCHIVE_OK)
            for (path, bytes) in files {
                let entry = archive_entry_new()
                defer { archive_entry_free(entry) }
                archive_entry_set_pathname(entry, path)
                archive_entry_set_filetype(entry, S_IFREG)
                archive_entry_set_perm(entry, 0o644)
                archive_entry_set_size(entry, Int64(bytes.count))
                try #require(archive_write_header(archive, entry) == ARCHIVE_OK)
                _ = bytes.withUnsafeBytes { archive_write_data(archive, $0.baseAddress, $0.count) }
            }
            try #require(archive_write_close(archive) == ARCHIVE_OK)
        }
        return Array(buffer[..<used])
    }
}
