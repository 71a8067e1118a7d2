import Glibc
import LinuxHost
import SystemPackage

extension ImageFile {
    /// Whether the file as a whole is gzip or zstd, as `docker save | gzip` leaves it.
    var isCompressed: Bool {
        var magic = [UInt8](repeating: 0, count: 4)
        // A file that cannot be read is not compressed: reading it as an archive will say what is wrong.
        let count = (try? magic.withUnsafeMutableBytes { try read(into: $0, at: 0) }) ?? 0
        return count == 4 && (magic.starts(with: [0x1f, 0x8b]) || magic == [0x28, 0xb5, 0x2f, 0xfd])
    }

    /// Changes whenever the content may have: size, inode, and the times of content and inode.
    var stamp: String {
        var status = stat()
        fstat(descriptor.rawValue, &status)
        return "\(status.st_dev) \(status.st_ino) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec) "
            + "\(status.st_ctim.tv_sec).\(status.st_ctim.tv_nsec)"
    }

    /// The path from the root, so that a name from another folder is another entry.
    var stablePath: String {
        guard !path.isAbsolute, let here = getcwd(nil, 0) else { return path.string }
        defer { free(here) }
        return String(cString: here) + "/" + path.string
    }
}

extension ImageContents {
    /// The image in an uncompressed archive.
    init(archive: ImageFile, tag: String?, form: ImageSource.Form, limits: ImageLimits) throws(ImageError) {
        try self.init(.archive(archive, TarIndex(archive)), tag: tag, form: form, limits: limits)
    }
}
