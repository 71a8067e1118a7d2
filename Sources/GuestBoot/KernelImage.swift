import Glibc
import LinuxHost
import SystemPackage

/// What an ELF file says about itself, as far as it tells a kernel from a program of Linux.
struct KernelImage {
    struct Segment: Equatable {
        var kind: UInt32
        var offset: UInt64
        var size: UInt64
    }

    /// So much of a file holds its program headers, wherever linkers put them.
    static let headBytes = 4096

    let segments: [Segment]

    /// Throws `.notAKernel` with the reason when the first bytes of `path` are not of something that a VMM can boot.
    init(_ head: [UInt8], path: FilePath) throws(GuestBootError) {
        guard head.count >= 20, head.starts(with: [0x7f, 0x45, 0x4c, 0x46]) else {
            let isCompressed = head.count >= 0x206 && Array(head[0x202..<0x206]) == Array("HdrS".utf8)
            throw .notAKernel(path, reason: isCompressed ? "it is a compressed bzImage" : "it is not an ELF file")
        }
        // 64-bit, little-endian, x86-64
        guard head[4] == 2, head[5] == 1, head[18] == 62, head[19] == 0 else {
            throw .notAKernel(path, reason: "it is an ELF file for another machine")
        }
        func integer(_ offset: UInt64, _ width: UInt64) -> UInt64? {
            guard offset <= UInt64(head.count), UInt64(head.count) - offset >= width else { return nil }
            return (0..<width).reduce(0) { $0 | UInt64(head[Int(offset + $1)]) << (8 * $1) }
        }
        var segments: [Segment] = []
        if let table = integer(32, 8), let size = integer(54, 2), let count = integer(56, 2), size >= 56 {
            for index in 0..<count {
                guard table < UInt64(head.count), let kind = integer(table + index * size, 4),
                    let offset = integer(table + index * size + 8, 8), let bytes = integer(table + index * size + 32, 8)
                else { break }
                segments.append(Segment(kind: UInt32(kind), offset: offset, size: bytes))
            }
        }
        self.segments = segments
        // ET_EXEC, and no segment that only a loader of Linux makes sense of: PT_DYNAMIC, PT_INTERP, PT_TLS.
        guard integer(16, 2) == 2, !segments.contains(where: { [2, 3, 7].contains($0.kind) }) else {
            throw .notAKernel(path, reason: "it is a program or library of Linux, not a kernel")
        }
        guard segments.contains(where: { $0.kind == 1 }) else {
            throw .notAKernel(path, reason: "it has nothing to load")
        }
    }

    /// Whether the notes of a segment hold the entry of the PVH protocol: owner `Xen`, type 18.
    static func hasPVHEntry(_ notes: [UInt8]) -> Bool {
        func word(_ offset: Int) -> Int {
            (0..<4).reduce(0) { $0 | Int(notes[offset + $1]) << (8 * $1) }
        }
        var offset = 0
        while offset + 12 <= notes.count {
            let (owner, description, kind) = (word(offset), word(offset + 4), word(offset + 8))
            let name = notes.dropFirst(offset + 12).prefix(owner)
            if kind == 18, name.elementsEqual(Array("Xen\0".utf8)) { return true }
            offset += 12 + (owner + 3) / 4 * 4 + (description + 3) / 4 * 4
        }
        return false
    }
}

extension GuestKernel {
    /// Throws `.notAKernel` unless the image can be started in the way that QEMU starts kernels.
    package func requirePVHEntry() throws(GuestBootError) {
        let path = image
        let found = try onHost { () throws(HostError) in
            let file = try Files.open(path)
            let head = try KernelImage.read(file, 0, KernelImage.headBytes, path)
            guard let image = try? KernelImage(head, path: path) else { return false }  // refused when it was located
            for segment in image.segments where segment.kind == 4 && segment.size <= 1 << 20 {
                let notes = try KernelImage.read(file, segment.offset, Int(segment.size), path)
                if KernelImage.hasPVHEntry(notes) { return true }
            }
            return false
        }
        if !found {
            throw .notAKernel(
                path, reason: "it has no PVH entry, the only way in for QEMU (CONFIG_PVH=y makes one)")
        }
    }
}

extension KernelImage {
    static func read(
        _ file: borrowing OwnedDescriptor, _ offset: UInt64, _ count: Int, _ path: FilePath
    ) throws(HostError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let read = bytes.withUnsafeMutableBytes {
            pread(file.rawValue, $0.baseAddress, $0.count, off_t(clamping: offset))
        }
        if read < 0 { throw HostError("read", path.string, Errno(rawValue: errno)) }
        return Array(bytes.prefix(read))
    }
}
