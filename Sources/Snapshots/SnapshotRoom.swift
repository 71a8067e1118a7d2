import LinuxHost

extension SnapshotStore {
    /// Throws `.noRoom` when the disk cannot take a snapshot of `key` in the worst case, that all of the memory is in
    /// use. Making one anyway could fill the disk under the machines that run.
    package func requireRoom(for key: SnapshotKey) throws(SnapshotError) {
        let available = try available()
        if available < Self.wanted(key) { throw .noRoom(root, wanted: Self.wanted(key), available: available) }
    }

    /// What to say of a capture that has just failed: nil unless the disk is full now. Ask before anything is removed.
    package func fullDisk(for key: SnapshotKey) -> SnapshotError? {
        // A disk that cannot be asked is not what has failed.
        guard let available = try? available(), available < .mebibytes(1) else { return nil }
        return .noRoom(root, wanted: Self.wanted(key), available: available)
    }

    /// The memory, with some for state, manifest and rounding.
    private static func wanted(_ key: SnapshotKey) -> MemorySize { .mebibytes(key.memoryMiB + 16) }

    private func available() throws(SnapshotError) -> MemorySize {
        do throws(HostError) {
            try Files.makeDirectory(root)
            return MemorySize(bytes: try DiskSpace.available(at: root))
        } catch {
            throw .host(error)
        }
    }
}
