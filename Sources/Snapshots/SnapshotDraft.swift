import Glibc
import LinuxHost
import SystemPackage
package import VMM

/// The right to make the snapshot of one key, held by one process at a time, and the folder in which it is made.
package final class SnapshotDraft: Sendable {
    package let key: SnapshotKey
    package let files: SnapshotFiles
    private let store: SnapshotStore
    private let lock: FileLock

    fileprivate init(key: SnapshotKey, files: SnapshotFiles, store: SnapshotStore, lock: consuming FileLock) {
        self.key = key
        self.files = files
        self.store = store
        self.lock = lock
    }

    /// Describes what has been written; the files must not change any more. `answer` is what a clone must say.
    package func describe(image: String, answer: Int?) throws(SnapshotError) -> Snapshot {
        do throws(HostError) {
            let hasDisk = Files.exists(files.scratchDisk)
            let manifest = SnapshotManifest(
                version: SnapshotManifest.currentVersion, key: key, image: image, createdAt: WallClock.seconds(),
                memory: try Self.content(files.memory), state: try Self.content(files.state),
                scratchDisk: hasDisk ? try Self.content(files.scratchDisk) : nil, answer: answer)
            return Snapshot(id: key.id, manifest: manifest, files: files)
        } catch {
            throw .host(error)
        }
    }

    /// Makes the snapshot findable, in one step, with everything on disk before.
    package func publish(_ draft: Snapshot) throws(SnapshotError) -> Snapshot {
        do throws(HostError) {
            try draft.manifest.write(to: files.directory.appending("manifest.json"))
            try Files.syncDirectory(files.directory)
            CrashPoint.templateDescribed.reach()
            try Files.rename(files.directory, to: store.folder(key.id))
            try Files.syncDirectory(store.root)
            CrashPoint.templatePublished.reach()
        } catch {
            throw .host(error)
        }
        return Snapshot(id: key.id, manifest: draft.manifest, files: SnapshotFiles(store.folder(key.id)))
    }

    /// Removes what was made so far. After `publish` there is nothing to remove.
    package func discard() throws(SnapshotError) {
        do throws(HostError) { try Files.removeTree(files.directory) } catch { throw .host(error) }
    }

    private static func content(_ path: FilePath) throws(HostError) -> SnapshotManifest.Content {
        var status = stat()
        guard path.withPlatformString({ lstat($0, &status) }) == 0 else {
            throw HostError("look at", path.string, Errno(rawValue: errno))
        }
        return SnapshotManifest.Content(bytes: UInt64(status.st_size), sha256: try SHA256.hash(file: path))
    }
}

extension SnapshotStore {
    private static let draftPrefix = ".draft-"

    private func lock(_ id: String) -> FilePath { state.locks.appending("snapshot-\(id).lock") }

    /// An empty folder to make the snapshot of `key` in; nil while another process is at it.
    package func draft(_ key: SnapshotKey) throws(SnapshotError) -> SnapshotDraft? {
        do throws(HostError) {
            try Files.makeDirectory(state.locks)
            guard let lock = try FileLock.tryLock(lock(key.id.text)) else { return nil }
            let folder = root.appending(Self.draftPrefix + key.id.text)
            // Whoever made one before is dead: it held the lock.
            try Files.removeTree(folder)
            try Files.makeDirectory(folder)
            return SnapshotDraft(key: key, files: SnapshotFiles(folder), store: self, lock: lock)
        } catch {
            throw .host(error)
        }
    }

    /// Removes what processes that died left half made or half removed. Every command that starts machines runs it.
    package func sweep() throws(SnapshotError) {
        do throws(HostError) {
            for name in try Files.list(root) where name.hasPrefix(".") {
                if name.hasPrefix(Self.draftPrefix) {
                    let id = String(name.dropFirst(Self.draftPrefix.count))
                    guard let lock = try FileLock.tryLock(lock(id)) else { continue }
                    try Files.removeTree(root.appending(name))
                    _ = consume lock
                } else {
                    try Files.removeTree(root.appending(name))
                }
            }
        } catch {
            throw .host(error)
        }
    }
}
