import Glibc
import LinuxHost
import SystemPackage

/// A file that images are read from; only ever read at offsets, so blobs of one archive share it.
final class ImageFile {
    let descriptor: OwnedDescriptor
    let path: FilePath
    let size: UInt64

    /// Opens a regular file; a FIFO or a device of that name is refused instead of waited for.
    init(_ path: FilePath) throws(ImageError) {
        let opened = try onHost { () throws(HostError) in try Files.open(path, O_RDONLY | O_NONBLOCK) }
        var status = stat()
        guard fstat(opened.rawValue, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .badData(subject: path.string, reason: "it is not a regular file")
        }
        descriptor = opened
        size = UInt64(status.st_size)
        self.path = path
    }

    /// Takes over a file that has no name any more, as spooled content has.
    init(spooled: consuming OwnedDescriptor, size: UInt64, standsFor path: FilePath) {
        descriptor = spooled
        self.size = size
        self.path = path
    }

    /// Reads up to `buffer.count` bytes at `offset`; fewer only at the end of the file.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(HostError) -> Int {
        var total = 0
        while total < buffer.count {
            let count = pread(
                descriptor.rawValue, buffer.baseAddress?.advanced(by: total), buffer.count - total,
                off_t(offset) + off_t(total))
            if count < 0 {
                if errno == EINTR { continue }
                throw HostError("read", path.string, Errno(rawValue: errno))
            }
            if count == 0 { break }
            total += count
        }
        return total
    }
}

/// A range of bytes that a manifest refers to: a layer, a configuration.
enum Blob {
    case range(ImageFile, offset: UInt64, size: UInt64)
    case memory([UInt8])

    var size: UInt64 {
        switch self {
        case .range(_, _, let size): size
        case .memory(let bytes): UInt64(bytes.count)
        }
    }

    /// Fills `buffer` from `position` on; returns fewer bytes only at the end of the blob.
    func read(into buffer: UnsafeMutableRawBufferPointer, at position: UInt64) throws(HostError) -> Int {
        let wanted = Int(min(UInt64(buffer.count), size - min(position, size)))
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
        switch self {
        case .range(let file, let offset, _):
            return try file.read(into: part, at: offset + position)
        case .memory(let bytes):
            bytes.withUnsafeBytes {
                part.copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: $0[Int(position)...][..<(Int(position) + wanted)]))
            }
            return wanted
        }
    }

    /// The whole blob, for small documents.
    func bytes(limit: Int, subject: String) throws(ImageError) -> [UInt8] {
        guard size <= UInt64(limit) else {
            throw .badData(subject: subject, reason: "it has \(size) bytes and at most \(limit) are sensible")
        }
        var result = [UInt8](repeating: 0, count: Int(size))
        var count = 0
        do throws(HostError) {
            var failure: HostError?
            result.withUnsafeMutableBytes { buffer in
                do throws(HostError) { count = try read(into: buffer, at: 0) } catch { failure = error }
            }
            if let failure { throw failure }
        } catch {
            throw .host(error)
        }
        guard count == result.count else { throw .badData(subject: subject, reason: "it is cut short") }
        return result
    }
}
