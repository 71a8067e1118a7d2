import CArchive
import Glibc
import LinuxHost
import SystemPackage

/// Reads a blob from front to back as what it decompresses to (gzip, zstd or as it is), within the limits of bombs.
final class Decompressor {
    let subject: String
    private let blob: Blob
    private let limits: ImageLimits
    private let allowance: UInt64
    private let reader: OpaquePointer
    private let chunk: UnsafeMutableRawBufferPointer
    private let hash: SHA256?
    /// What a callback met; libarchive only carries numbers.
    private(set) var failure: ImageError?
    private(set) var storedBytes: UInt64 = 0
    private(set) var expandedBytes: UInt64 = 0
    private(set) var isEmpty = false

    /// `allowance` is how many decompressed bytes there may be; with `hashing` the stored bytes are hashed.
    init(_ blob: Blob, subject: String, limits: ImageLimits, allowance: UInt64, hashing: Bool) throws(ImageError) {
        guard let reader = archive_read_new() else { throw .host(HostError("read", subject, .noMemory)) }
        self.subject = subject
        self.blob = blob
        self.limits = limits
        self.allowance = allowance
        self.reader = reader
        hash = hashing ? SHA256() : nil
        chunk = .allocate(byteCount: 512 << 10, alignment: 4096)
        try open()
    }

    deinit {
        archive_read_free(reader)
        chunk.deallocate()
    }

    private func open() throws(ImageError) {
        archive_read_support_filter_gzip(reader)
        archive_read_support_filter_zstd(reader)
        archive_read_support_format_raw(reader)
        archive_read_support_format_empty(reader)
        let context = Unmanaged.passUnretained(self).toOpaque()
        let opened = archive_read_open(
            reader, context, nil,
            { _, context, buffer in
                guard let context else { return -1 }
                return Unmanaged<Decompressor>.fromOpaque(context).takeUnretainedValue().fill(buffer)
            }, nil)
        var entry: OpaquePointer?
        let first = opened == ARCHIVE_OK ? archive_read_next_header(reader, &entry) : opened
        isEmpty = first == ARCHIVE_EOF
        if let failure { throw failure }
        guard isEmpty || first == ARCHIVE_OK else { throw refusal() }
    }

    /// The next piece, valid until the next call; nil at the end.
    func next() throws(ImageError) -> UnsafeRawBufferPointer? {
        var bytes: UnsafeRawPointer?
        var count = 0
        var offset: la_int64_t = 0
        let result = isEmpty ? ARCHIVE_EOF : archive_read_data_block(reader, &bytes, &count, &offset)
        if let failure { throw failure }
        if result == ARCHIVE_EOF { return nil }
        guard result == ARCHIVE_OK else { throw refusal() }
        expandedBytes += UInt64(count)
        if expandedBytes > allowance {
            throw .badData(subject: subject, reason: "the image is larger than the limit of \(limits.bytes >> 20) MiB")
        }
        if expandedBytes > limits.freeBytes, expandedBytes / limits.ratio > storedBytes {
            throw .badData(
                subject: subject,
                reason: "it decompresses to more than \(limits.ratio) times its size, as only a decompression bomb does"
            )
        }
        return UnsafeRawBufferPointer(start: bytes, count: count)
    }

    /// Reads what follows the compressed data and returns the digest of all stored bytes.
    func finish() throws(ImageError) -> String? {
        var bytes: UnsafeRawPointer?
        while fill(&bytes) > 0 {}
        if let failure { throw failure }
        return hash?.finish()
    }

    private func fill(_ buffer: UnsafeMutablePointer<UnsafeRawPointer?>?) -> Int {
        do throws(HostError) {
            let count = try blob.read(into: chunk, at: storedBytes)
            if count == 0, storedBytes < blob.size {
                failure = .badData(subject: subject, reason: "it is cut short")
                return -1
            }
            let bytes = UnsafeRawBufferPointer(rebasing: chunk[..<count])
            hash?.update(bytes)
            storedBytes += UInt64(count)
            buffer?.pointee = bytes.baseAddress
            return count
        } catch {
            failure = .host(error)
            return -1
        }
    }

    private func refusal() -> ImageError {
        .badData(subject: subject, reason: "it cannot be decompressed (\(archiveMessage(reader)))")
    }
}

/// libarchive's own words for what went wrong.
func archiveMessage(_ reader: OpaquePointer) -> String {
    archive_error_string(reader).map { String(cString: $0) } ?? "no details"
}
