import CLinuxHost
import Glibc
package import SystemPackage

/// An advisory lock on a file, held for the life of the value; the kernel drops it when the process dies.
package struct FileLock: ~Copyable, Sendable {
    private let descriptor: OwnedDescriptor

    /// Blocks until the lock is free: call it off the cooperative threads.
    package init(waitingFor path: FilePath) throws(HostError) {
        let file = try Files.open(path, O_RDWR | O_CREAT | O_NOFOLLOW)
        try HostError.check(lh_flock(file.rawValue, 1, 1), "lock", path.string)
        descriptor = file
    }

    private init(_ descriptor: consuming OwnedDescriptor) {
        self.descriptor = descriptor
    }

    /// Takes the lock if it is free, otherwise returns nil at once.
    package static func tryLock(_ path: FilePath) throws(HostError) -> FileLock? {
        let file = try Files.open(path, O_RDWR | O_CREAT | O_NOFOLLOW)
        let result = lh_flock(file.rawValue, 1, 0)
        if result == -EWOULDBLOCK { return nil }
        try HostError.check(result, "lock", path.string)
        return FileLock(file)
    }

    /// Writes who holds the lock, for the message that the next one shows.
    package func note(_ text: String) {
        // The note is a courtesy: the lock holds without it.
        _ = ftruncate(descriptor.rawValue, 0)
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { pwrite(descriptor.rawValue, $0.baseAddress, $0.count, 0) }
    }
}
