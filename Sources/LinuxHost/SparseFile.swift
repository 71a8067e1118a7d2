import CLinuxHost
import Glibc
package import SystemPackage

/// Files whose empty parts take no space.
package enum SparseFile {
    /// Gives a range back to the file system; it reads as zeros then. False where that cannot be done, and the blocks stay.
    @discardableResult
    package static func punchHole(_ file: borrowing OwnedDescriptor, offset: UInt64, length: UInt64) -> Bool {
        lh_punch_hole(file.rawValue, Int64(offset), Int64(length)) == 0
    }

    /// Copies what `source` holds to the same places of `target`, which must be empty, without its holes and zeros.
    package static func copy(
        _ source: borrowing OwnedDescriptor, to target: borrowing OwnedDescriptor, name: String
    ) throws(HostError) {
        try HostError.check(lh_copy_sparse(source.rawValue, target.rawValue), "copy", name)
    }

    /// The same for paths: `target` must not exist, and is removed again on an error.
    package static func copy(_ source: FilePath, to target: FilePath, mode: UInt32 = 0o600) throws(HostError) {
        let from = try Files.open(source, O_RDONLY | O_NOFOLLOW)
        let to = try Files.open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
        do throws(HostError) {
            try copy(from, to: to, name: target.string)
        } catch {
            try? Files.remove(target)  // the first error is the one to report
            throw error
        }
    }
}

extension MemoryFile {
    /// Makes the file read-only for everybody who has it or will open it, for as long as it exists.
    package static func seal(_ file: borrowing OwnedDescriptor, name: String) throws(HostError) {
        try HostError.check(lh_seal_memory_file(file.rawValue), "seal", name)
    }
}

extension Files {
    /// Waits until the disk has what was written to `path`.
    package static func sync(_ path: FilePath) throws(HostError) {
        let file = try Files.open(path, O_RDONLY | O_NOFOLLOW)
        if fsync(file.rawValue) != 0 { throw HostError("sync", path.string, Errno(rawValue: errno)) }
    }
}
