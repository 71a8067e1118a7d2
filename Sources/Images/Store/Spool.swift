import Glibc
import LinuxHost
import SystemPackage

/// A file without a name in the state directory: what is in it is gone with the process.
struct Spool: ~Copyable {
    private let descriptor: OwnedDescriptor
    private let path: FilePath
    private(set) var size: UInt64 = 0

    init(_ paths: StorePaths) throws(ImageError) {
        path = paths.folder.appending(".spool.\(UInt64.random(in: .min ... .max))")
        let file = path
        descriptor = try onHost { () throws(HostError) -> OwnedDescriptor in
            let lock = try FileLock(waitingFor: paths.spoolLock)
            let opened = try Files.open(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)
            try Files.remove(file)
            _ = consume lock
            return opened
        }
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) throws(HostError) {
        var done = 0
        while done < bytes.count {
            let count = write(descriptor.rawValue, bytes.baseAddress?.advanced(by: done), bytes.count - done)
            if count < 0 {
                if errno == EINTR { continue }
                throw HostError("write", path.removingLastComponent().string, Errno(rawValue: errno))
            }
            done += count
        }
        size += UInt64(bytes.count)
    }

    /// The content, to be read like a file called `name`.
    consuming func file(standsFor name: FilePath) -> ImageFile {
        let size = size
        return ImageFile(spooled: descriptor, size: size, standsFor: name)
    }
}
