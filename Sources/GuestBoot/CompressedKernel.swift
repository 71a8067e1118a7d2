import SystemPackage

/// A bzImage: the boot loader's file, with the ELF that we need compressed inside.
enum CompressedKernel {
    /// Unpacks the ELF; `name` is for the error message.
    static func unpack(_ file: [UInt8], name: String) throws(GuestBootError) -> [UInt8] {
        guard file.count > 0x250, Array(file[0x202..<0x206]) == Array("HdrS".utf8) else {
            throw .unreadable(name, reason: "it is not a bzImage")
        }
        let sectors = file[0x1f1] == 0 ? 4 : Int(file[0x1f1])
        let start = (sectors + 1) * 512 + word(file, 0x248)
        // The last four bytes are the unpacked size, put there for the kernel's own decompressor.
        let end = start + word(file, 0x24c) - 4
        guard start < end, end <= file.count else { throw .unreadable(name, reason: "it is cut off") }
        let image = try ArchiveReader.decompress(Array(file[start..<end]), name: name)
        _ = try KernelImage(Array(image.prefix(KernelImage.headBytes)), path: FilePath(name))
        return image
    }

    private static func word(_ file: [UInt8], _ offset: Int) -> Int {
        (0..<4).reduce(0) { $0 | Int(file[offset + $1]) << ($1 * 8) }
    }
}
