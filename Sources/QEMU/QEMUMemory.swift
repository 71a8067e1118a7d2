import Glibc
import LinuxHost
import NIOConcurrencyHelpers
import SystemPackage
import VMM

/// The files of a guest's memory and state: those that a template fills, or those that a clone starts from.
final class QEMUMemory: Sendable {
    let file: OwnedDescriptor
    let state: OwnedDescriptor
    /// Whether the files hold a snapshot, which nobody may change.
    let isSnapshot: Bool

    /// Files of a template, in memory: the guest's writes cause no disk traffic and cannot meet a full disk.
    init(size: MemorySize) throws(HostError) {
        file = try MemoryFile.make(named: "guest memory")
        if ftruncate(file.rawValue, off_t(size.bytes)) != 0 {
            throw HostError("size", "the guest's memory", Errno(rawValue: errno))
        }
        state = try MemoryFile.make(named: "guest state")
        isSnapshot = false
    }

    /// A snapshot, its memory in `sealed`.
    init(_ snapshot: SnapshotFiles, sealed: borrowing OwnedDescriptor) throws(HostError) {
        file = try sealed.duplicate()
        state = try Files.open(snapshot.state, O_RDONLY | O_NOFOLLOW)
        isSnapshot = true
    }

    /// Writes what the template has left.
    func write(to snapshot: SnapshotFiles) throws(HostError) {
        try Self.write(file, to: snapshot.memory)
        CrashPoint.templateMemory.reach()
        try Self.write(state, to: snapshot.state)
    }

    private static func write(_ source: borrowing OwnedDescriptor, to path: FilePath) throws(HostError) {
        let target = try Files.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o444)
        try SparseFile.copy(source, to: target, name: path.string)
        if fsync(target.rawValue) != 0 { throw HostError("sync", path.string, Errno(rawValue: errno)) }
    }
}

/// The memory of the snapshot that clones were last made of, in a file that cannot be changed any more.
///
/// QEMU opens its memory file for writing even where the mapping is private, so it never gets the snapshot's own: with
/// a sealed copy no clone can write into what the others run on.
final class SealedMemory: Sendable {
    private let copy = NIOLockedValueBox<Held?>(nil)

    private final class Held: Sendable {
        let identity: [UInt64]
        let file: OwnedDescriptor

        init(identity: [UInt64], file: consuming OwnedDescriptor) {
            self.identity = identity
            self.file = file
        }
    }

    /// Blocks while the first clone of a snapshot has it copied: about a millisecond for each 2 MiB in use.
    func open(_ snapshot: SnapshotFiles) throws(HostError) -> QEMUMemory {
        let source = try Files.open(snapshot.memory, O_RDONLY | O_NOFOLLOW)
        var status = stat()
        guard fstat(source.rawValue, &status) == 0 else {
            throw HostError("look at", snapshot.memory.string, Errno(rawValue: errno))
        }
        let identity = [
            UInt64(status.st_dev), UInt64(status.st_ino), UInt64(status.st_size), UInt64(status.st_mtim.tv_sec),
            UInt64(status.st_mtim.tv_nsec),
        ]
        if let held = copy.withLockedValue({ $0 }), held.identity == identity {
            return try QEMUMemory(snapshot, sealed: held.file)
        }
        let file = try MemoryFile.make(named: "snapshot memory")
        try SparseFile.copy(source, to: file, name: snapshot.memory.string)
        try MemoryFile.seal(file, name: snapshot.memory.string)
        let held = Held(identity: identity, file: file)
        copy.withLockedValue { $0 = held }
        return try QEMUMemory(snapshot, sealed: held.file)
    }
}
