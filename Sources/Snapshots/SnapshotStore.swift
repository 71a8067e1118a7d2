import Glibc
package import LinuxHost
import SystemPackage
import VMM

/// The snapshots under `snapshots/`: one folder each, complete or not there. Blocking.
package struct SnapshotStore: Sendable {
    package let state: StateDirectory

    package init(_ state: StateDirectory) {
        self.state = state
    }

    var root: FilePath { state.snapshots }
    func folder(_ id: SnapshotID) -> FilePath { root.appending(id.text) }
    func manifest(_ id: SnapshotID) -> FilePath { folder(id).appending("manifest.json") }

    /// The snapshot of a key, as far as its manifest and the sizes of its files tell; `verify` reads them. nil when there
    /// is none; throws `.damaged` when there is one that must not be used.
    package func find(_ key: SnapshotKey) throws(SnapshotError) -> Snapshot? {
        guard let snapshot = try find(key.id) else { return nil }
        guard snapshot.manifest.key == key else { throw .damaged("it was made for something else than its name says") }
        return snapshot
    }

    package func find(_ id: SnapshotID) throws(SnapshotError) -> Snapshot? {
        guard Files.exists(folder(id)) else { return nil }
        do throws(SnapshotError) { return try read(id) } catch {
            // Whoever removes it does so in one step, which may be between any two of ours.
            if Files.exists(folder(id)) { throw error }
            return nil
        }
    }

    private func read(_ id: SnapshotID) throws(SnapshotError) -> Snapshot {
        guard Files.exists(manifest(id)) else { throw .damaged("it has no manifest") }
        let manifest = try SnapshotManifest.read(manifest(id))
        guard manifest.version == SnapshotManifest.currentVersion else {
            throw .damaged("it has version \(manifest.version), written by another fcctl")
        }
        guard manifest.key.id == id else { throw .damaged("it was made for something else than its name says") }
        let snapshot = Snapshot(id: id, manifest: manifest, files: SnapshotFiles(folder(id)))
        for (path, content) in snapshot.contents { try Self.check(path, size: content.bytes) }
        return snapshot
    }

    /// Reads every file and compares it with the manifest: about a second for each GiB of memory.
    package func verify(_ snapshot: Snapshot) throws(SnapshotError) {
        for (path, content) in snapshot.contents {
            try Self.check(path, size: content.bytes)
            let hash: String
            do throws(HostError) { hash = try SHA256.hash(file: path) } catch { throw .host(error) }
            if hash != content.sha256 { throw .damaged("its file \(path.lastComponent?.string ?? "") has changed") }
        }
    }

    private static func check(_ path: FilePath, size: UInt64) throws(SnapshotError) {
        let name = path.lastComponent?.string ?? ""
        var status = stat()
        guard path.withPlatformString({ lstat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .damaged("its file \(name) is missing")
        }
        guard UInt64(status.st_size) == size else {
            throw .damaged("its file \(name) has \(status.st_size) bytes instead of \(size)")
        }
        guard status.st_uid == geteuid(), status.st_mode & 0o222 == 0 else {
            throw .damaged("its file \(name) could be written to by others")
        }
    }

    /// Whether nobody has removed it.
    package func holds(_ snapshot: Snapshot) -> Bool { Files.exists(manifest(snapshot.id)) }

    /// By id or by a prefix that only one has.
    package func resolve(_ text: String) throws(SnapshotError) -> SnapshotID {
        let found = try ids().filter { !text.isEmpty && $0.text.hasPrefix(text) }
        guard let first = found.first else { throw .unknown(text) }
        if found.count > 1 { throw .ambiguous(text, found) }
        return first
    }

    package func ids() throws(SnapshotError) -> [SnapshotID] {
        do throws(HostError) { return try Files.list(root).compactMap { SnapshotID($0) } } catch { throw .host(error) }
    }

    /// Notes that clones are being made of a snapshot now, for `lastUsed`. Opens nothing.
    package func touch(_ snapshot: Snapshot) {
        // Only retention looks at it.
        _ = manifest(snapshot.id).withPlatformString { utimensat(AT_FDCWD, $0, nil, 0) }
    }

    /// Seconds since 1970; nil when the snapshot is gone.
    package func lastUsed(_ id: SnapshotID) -> Int64? {
        var status = stat()
        let found = manifest(id).withPlatformString { stat($0, &status) == 0 }
        return found ? Int64(status.st_mtim.tv_sec) : nil
    }

    /// Bytes on disk; holes take none.
    package func allocated(_ id: SnapshotID) -> UInt64 {
        // What has gone meanwhile takes no space.
        let names = (try? Files.list(folder(id))) ?? []
        return names.reduce(0) { sum, name in
            var status = stat()
            let found = folder(id).appending(name).withPlatformString { lstat($0, &status) == 0 }
            return sum + (found ? UInt64(status.st_blocks) * 512 : 0)
        }
    }

    /// Takes a snapshot out of service at once and frees its space; clones that run keep what they have mapped.
    package func remove(_ id: SnapshotID) throws(SnapshotError) {
        do throws(HostError) {
            guard Files.exists(folder(id)) else { return }
            // Gone in one step: nobody finds half of it.
            let away = root.appending(".removed-\(id)-\(UInt32.random(in: .min ... .max))")
            try Files.rename(folder(id), to: away)
            try Files.removeTree(away)
        } catch {
            throw .host(error)
        }
    }
}

extension Snapshot {
    var contents: [(FilePath, SnapshotManifest.Content)] {
        let disk = manifest.scratchDisk.map { [(files.scratchDisk, $0)] } ?? []
        return [(files.state, manifest.state), (files.memory, manifest.memory)] + disk
    }
}
