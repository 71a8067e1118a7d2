import CArchive
import Glibc

/// Reads archives and compressed data that lie in memory, by libarchive.
enum ArchiveReader {
    /// Calls `body` for each file of an archive in any known format, with its name and a function that reads it.
    static func forEachFile(
        in bytes: [UInt8], name: String,
        _ body: (String, () throws(GuestBootError) -> [UInt8]) throws(GuestBootError) -> Void
    ) throws(GuestBootError) {
        try open(bytes, name: name, raw: false) { archive throws(GuestBootError) in
            var entry: OpaquePointer?
            while true {
                let result = archive_read_next_header(archive, &entry)
                if result == ARCHIVE_EOF { return }
                guard result >= ARCHIVE_WARN, let entry else { throw failure(archive, name) }
                guard let path = archive_entry_pathname(entry) else { continue }
                try body(String(cString: path)) { () throws(GuestBootError) in try contents(archive, name) }
            }
        }
    }

    /// Undoes any compression that libarchive knows.
    static func decompress(_ bytes: [UInt8], name: String) throws(GuestBootError) -> [UInt8] {
        var output: [UInt8] = []
        try open(bytes, name: name, raw: true) { archive throws(GuestBootError) in
            var entry: OpaquePointer?
            guard archive_read_next_header(archive, &entry) >= ARCHIVE_WARN else { throw failure(archive, name) }
            output = try contents(archive, name)
        }
        return output
    }

    private static let maximumFile = 1 << 30

    private static func contents(_ archive: OpaquePointer, _ name: String) throws(GuestBootError) -> [UInt8] {
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = chunk.withUnsafeMutableBytes { archive_read_data(archive, $0.baseAddress, $0.count) }
            if count == 0 { return output }
            guard count > 0 else { throw failure(archive, name) }
            output.append(contentsOf: chunk[..<count])
            guard output.count <= maximumFile else { throw .unreadable(name, reason: "a file in it exceeds 1 GiB") }
        }
    }

    private static func open(
        _ bytes: [UInt8], name: String, raw: Bool, _ body: (OpaquePointer) throws(GuestBootError) -> Void
    ) throws(GuestBootError) {
        guard let archive = archive_read_new() else { throw .unreadable(name, reason: "out of memory") }
        defer { archive_read_free(archive) }
        archive_read_support_filter_all(archive)
        if raw {
            archive_read_support_format_raw(archive)
        } else {
            archive_read_support_format_ar(archive)
            archive_read_support_format_tar(archive)
        }
        let result = bytes.withUnsafeBytes { (buffer) -> Result<Void, GuestBootError> in
            guard archive_read_open_memory(archive, buffer.baseAddress, buffer.count) == ARCHIVE_OK else {
                return .failure(failure(archive, name))
            }
            do throws(GuestBootError) { return .success(try body(archive)) } catch { return .failure(error) }
        }
        try result.get()
    }

    private static func failure(_ archive: OpaquePointer, _ name: String) -> GuestBootError {
        .unreadable(name, reason: archive_error_string(archive).map { String(cString: $0) } ?? "unknown format")
    }
}
