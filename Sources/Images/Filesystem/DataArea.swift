import Glibc
import LinuxHost
import SystemPackage

/// The part of the image file that holds content: blocks are handed out upwards and written in large pieces.
///
/// Content goes to its final place while the layers are read, before the file system around it exists: the metadata
/// follows after the last block, which `flex_bg` allows, so every layer is read once and the disk sees one stream.
final class DataArea {
    static let blockSize: UInt64 = 4096
    /// Block 0 is the superblock, the group descriptors follow; 16 blocks leave room for 240 GiB of image.
    static let firstBlock: UInt32 = 16

    private let file: OwnedDescriptor
    private let path: FilePath
    private let buffer: UnsafeMutableRawBufferPointer
    private var filled = 0
    /// Where in the image the start of `buffer` goes.
    private var bufferOffset = UInt64(DataArea.firstBlock) * DataArea.blockSize
    private var extents: [Extent] = []
    /// Bytes of the current file so far, holes included.
    private var position: UInt64 = 0

    init(_ file: consuming OwnedDescriptor, path: FilePath) {
        self.file = file
        self.path = path
        buffer = .allocate(byteCount: 1 << 20, alignment: 4096)
    }

    deinit {
        buffer.deallocate()
    }

    /// The first block that nothing has been put into; between two files only.
    var nextBlock: UInt32 { UInt32((bufferOffset + UInt64(filled)) / DataArea.blockSize) }

    func beginFile() {
        extents = []
        position = 0
    }

    /// Adds content at `offset` of the current file; offsets only grow, and what is left out is a hole.
    func append(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(ImageError) {
        guard offset >= position else { throw .badData(subject: "a sparse file", reason: "its pieces overlap") }
        if offset > position, position % DataArea.blockSize != 0 {
            try zero(min(offset, roundUp(position)) - position)
        }
        if offset > position {
            position = offset / DataArea.blockSize * DataArea.blockSize
            startBlock()
            try zero(offset - position)
        } else if position % DataArea.blockSize == 0 {
            startBlock()
        }
        try copy(bytes)
        position += UInt64(bytes.count)
        let last = extents.count - 1
        extents[last].count = UInt32(roundUp(position) / DataArea.blockSize) - extents[last].logical
    }

    /// Fills the last block with zeros and returns where the file lies.
    func endFile() throws(ImageError) -> [Extent] {
        try zero(roundUp(position) - position)
        return extents
    }

    /// Puts content that is there as a whole: a directory, the target of a link.
    func put(_ bytes: [UInt8]) throws(ImageError) -> [Extent] {
        beginFile()
        var failure: ImageError?
        bytes.withUnsafeBytes { buffer in
            do throws(ImageError) { try append(buffer, at: 0) } catch { failure = error }
        }
        if let failure { throw failure }
        return try endFile()
    }

    /// Writes what is still in memory.
    func flush() throws(ImageError) {
        var done = 0
        while done < filled {
            let count = pwrite(
                file.rawValue, buffer.baseAddress?.advanced(by: done), filled - done, off_t(bufferOffset) + off_t(done))
            if count < 0 {
                if errno == EINTR { continue }
                throw .host(HostError("write", path.string, Errno(rawValue: errno)))
            }
            done += count
        }
        bufferOffset += UInt64(filled)
        filled = 0
    }

    /// Gives the image its full length; what nothing was put into reads as zeros, as empty tables should.
    func resize(to bytes: UInt64) throws(ImageError) {
        if ftruncate(file.rawValue, off_t(bytes)) != 0 {
            throw .host(HostError("resize", path.string, Errno(rawValue: errno)))
        }
    }

    /// Content that was put before, for the few files of the image that the host itself reads.
    func read(_ extents: [Extent], size: UInt64) throws(ImageError) -> [UInt8] {
        try flush()
        var result = [UInt8](repeating: 0, count: Int(size))
        for extent in extents {
            let start = Int(extent.logical) * Int(DataArea.blockSize)
            guard start < result.count else { continue }
            let wanted = min(result.count - start, Int(extent.count) * Int(DataArea.blockSize))
            let offset = off_t(extent.physical) * off_t(DataArea.blockSize)
            let count = result.withUnsafeMutableBytes {
                pread(file.rawValue, $0.baseAddress?.advanced(by: start), wanted, offset)
            }
            guard count == wanted else {
                throw .host(HostError("read", path.string, count < 0 ? Errno(rawValue: errno) : .ioError))
            }
        }
        return result
    }

    /// Gives the blocks of deleted content back to the host's file system.
    func punch(_ extents: [Extent]) {
        for extent in extents {
            let (start, length) = (
                UInt64(extent.physical) * DataArea.blockSize, UInt64(extent.count) * DataArea.blockSize
            )
            SparseFile.punchHole(file, offset: start, length: length)
        }
    }

    private func startBlock() {
        let (logical, physical) = (UInt32(position / DataArea.blockSize), nextBlock)
        if let last = extents.last, last.logical + last.count == logical, last.physical + last.count == physical {
            return
        }
        extents.append(Extent(logical: logical, physical: physical, count: 0))
    }

    private func copy(_ bytes: UnsafeRawBufferPointer) throws(ImageError) {
        var done = 0
        while done < bytes.count {
            let count = min(bytes.count - done, buffer.count - filled)
            UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<(filled + count)])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[done..<(done + count)]))
            filled += count
            done += count
            if filled == buffer.count { try flush() }
        }
    }

    private func zero(_ count: UInt64) throws(ImageError) {
        // Never more than a block: larger gaps are holes.
        var rest = Int(count)
        while rest > 0 {
            let part = min(rest, buffer.count - filled)
            UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<(filled + part)]).initializeMemory(
                as: UInt8.self, repeating: 0)
            filled += part
            rest -= part
            if filled == buffer.count { try flush() }
        }
        position += count
    }

    private func roundUp(_ bytes: UInt64) -> UInt64 {
        (bytes + DataArea.blockSize - 1) / DataArea.blockSize * DataArea.blockSize
    }
}
