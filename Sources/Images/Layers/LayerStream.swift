import CArchive
import Glibc
import LinuxHost
import SystemPackage

/// Where a layer comes from and what it must turn out to be.
struct Layer {
    let blob: Blob
    /// Digest of the blob as stored; nil in the old archive format, which does not say.
    let digest: Digest?
    /// Digest of the uncompressed tar, from the configuration.
    let diffID: Digest
}

/// Reads one layer from front to back: decompressed once, both digests computed on the way.
///
/// Decompressing and parsing are two libarchive readers in a row, so that the bytes between them can be hashed, which
/// one reader would not show. Nothing is copied on the way.
final class LayerStream {
    let subject: String
    private let layer: Layer
    private let source: Decompressor
    private let tar: OpaquePointer
    private let expanded = SHA256()
    private var failure: ImageError?

    var storedBytes: UInt64 { source.storedBytes }
    var expandedBytes: UInt64 { source.expandedBytes }

    /// `allowance` is how many decompressed bytes the image may still have.
    init(_ layer: Layer, number: Int, limits: ImageLimits, allowance: UInt64) throws(ImageError) {
        subject = "layer \(number)"
        source = try Decompressor(
            layer.blob, subject: subject, limits: limits, allowance: allowance, hashing: layer.digest != nil)
        guard let tar = archive_read_new() else { throw .host(HostError("read", subject, .noMemory)) }
        self.layer = layer
        self.tar = tar
        archive_read_support_format_tar(tar)
        archive_read_support_format_empty(tar)
        try check(
            archive_read_open(
                tar, Unmanaged.passUnretained(self).toOpaque(), nil,
                { _, context, buffer in
                    guard let context else { return -1 }
                    return Unmanaged<LayerStream>.fromOpaque(context).takeUnretainedValue().expand(buffer)
                }, nil))
    }

    deinit {
        archive_read_free(tar)
    }

    /// The next entry, nil at the end of the tar; call `verify` then.
    func next() throws(ImageError) -> LayerEntry? {
        var entry: OpaquePointer?
        let result = archive_read_next_header(tar, &entry)
        if let failure { throw failure }
        if result == ARCHIVE_EOF { return nil }
        try check(result)
        guard let entry else { return nil }
        return try LayerEntry(entry, subject: subject)
    }

    /// Hands the content of the current file to `body` piece by piece with its offset; gaps between pieces are holes.
    func content(_ body: (UnsafeRawBufferPointer, UInt64) throws(ImageError) -> Void) throws(ImageError) {
        while true {
            var bytes: UnsafeRawPointer?
            var count = 0
            var offset: la_int64_t = 0
            let result = archive_read_data_block(tar, &bytes, &count, &offset)
            if let failure { throw failure }
            if result == ARCHIVE_EOF { return }
            try check(result)
            guard offset >= 0 else { throw .badData(subject: subject, reason: "a sparse file has a negative offset") }
            if count > 0 { try body(UnsafeRawBufferPointer(start: bytes, count: count), UInt64(offset)) }
        }
    }

    /// Reads what follows the last entry and compares both digests with what the image claims.
    func verify() throws(ImageError) {
        var bytes: UnsafeRawPointer?
        while expand(&bytes) > 0 {}
        if let failure { throw failure }
        if let digest = layer.digest, let found = try source.finish(), digest.hexadecimal != found {
            throw .badData(subject: subject, reason: "its digest is sha256:\(found) and the manifest says \(digest)")
        }
        let content = expanded.finish()
        if layer.diffID.hexadecimal != content {
            throw .badData(
                subject: subject,
                reason: "its uncompressed digest is sha256:\(content) and the configuration says \(layer.diffID)")
        }
    }

    private func expand(_ buffer: UnsafeMutablePointer<UnsafeRawPointer?>?) -> Int {
        if failure != nil { return -1 }
        do throws(ImageError) {
            // An empty piece would mean the end to libarchive.
            var piece = try source.next()
            while let empty = piece, empty.isEmpty { piece = try source.next() }
            guard let piece else { return 0 }
            expanded.update(piece)
            buffer?.pointee = piece.baseAddress
            return piece.count
        } catch {
            failure = error
            return -1
        }
    }

    private func check(_ result: Int32) throws(ImageError) {
        if let failure { throw failure }
        // A warning is about a name that is not valid UTF-8; libarchive then hands over the bytes as they are.
        guard result == ARCHIVE_OK || result == ARCHIVE_WARN else {
            throw .badData(subject: subject, reason: "it is not a sound tar archive (\(archiveMessage(tar)))")
        }
    }
}
