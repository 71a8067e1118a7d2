import CArchive

/// How a layer is stored.
enum Compression: String, CaseIterable, Sendable {
    case plain, gzip, zstd

    func apply(_ bytes: [UInt8]) -> [UInt8] {
        if self == .plain { return bytes }
        var result = [UInt8](repeating: 0, count: bytes.count + bytes.count / 8 + 65_536)
        var used = 0
        let writer = archive_write_new()
        defer { archive_write_free(writer) }
        archive_write_set_format_raw(writer)
        if self == .gzip { archive_write_add_filter_gzip(writer) } else { archive_write_add_filter_zstd(writer) }
        archive_write_set_bytes_in_last_block(writer, 1)
        result.withUnsafeMutableBytes { buffer in
            archive_write_open_memory(writer, buffer.baseAddress, buffer.count, &used)
            let entry = archive_entry_new()
            archive_entry_set_filetype(entry, UInt32(0o100000))
            archive_write_header(writer, entry)
            archive_entry_free(entry)
            _ = bytes.withUnsafeBytes { archive_write_data(writer, $0.baseAddress, $0.count) }
            archive_write_close(writer)
        }
        return Array(result.prefix(used))
    }

    var mediaType: String {
        "application/vnd.oci.image.layer.v1.tar" + (self == .plain ? "" : "+" + rawValue)
    }
}
