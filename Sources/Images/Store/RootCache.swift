import FoundationEssentials
import LinuxHost
import SystemPackage

/// Roots that are there, and making the one that is not.
extension ImageStore {
    /// The root for `contents`: one process makes it, everybody else waits and then uses it.
    func root(
        _ contents: ImageContents, name: String, _ progress: @escaping (ImageProgress) -> Void
    ) throws(ImageError) -> StoredImage {
        let key = RootKey(contents.configurationDigest)
        let image: StoredImage
        if let (found, _) = load(key, name: name) {
            image = found
        } else {
            image = try make(contents, key, name, progress)
        }
        let table = NameTable(paths: paths)
        for name in contents.names {
            if let reference = ImageReference(name) { try table.set(reference.canonical, key) }
        }
        return image
    }

    /// The finished root under `key` and the names of its archive; nil when there is none.
    func load(_ key: RootKey, name: String) -> (image: StoredImage, names: [String])? {
        let path = paths.root(key)
        // A record that cannot be read means that the root has to be made again.
        guard Files.exists(path), let bytes = try? Files.read(paths.record(key), limit: 16 << 20),
            let record = try? JSONDecoder().decode(RootRecord.self, from: Data(bytes))
        else { return nil }
        let image = StoredImage(
            name: name, digest: record.digest, rootfs: path, configuration: record.configuration, bytes: record.bytes)
        return (image, record.names)
    }

    private func make(
        _ contents: ImageContents, _ key: RootKey, _ name: String, _ progress: @escaping (ImageProgress) -> Void
    ) throws(ImageError) -> StoredImage {
        try sweep()
        return try build(contents, key, name, progress, holding: lock(key, progress))
    }

    private func build(
        _ contents: ImageContents, _ key: RootKey, _ name: String, _ progress: @escaping (ImageProgress) -> Void,
        holding lock: borrowing FileLock
    ) throws(ImageError) -> StoredImage {
        // An optimised build drops a borrowed value before the body when the body never names it.
        defer { withExtendedLifetime(lock) {} }
        if let (image, _) = load(key, name: name) { return image }
        let temporary = paths.building(key)
        do throws(ImageError) {
            let built = try RootBuilder(limits: limits, progress: progress).build(contents, key: key, at: temporary)
            let record = RootRecord(
                digest: contents.configurationDigest.description, configuration: built.configuration,
                bytes: built.bytes, names: contents.names)
            try publish(record, key)
            return StoredImage(
                name: name, digest: record.digest, rootfs: paths.root(key), configuration: built.configuration,
                bytes: built.bytes)
        } catch {
            // The first error is the one to report; what cannot be removed now is swept later.
            try? Files.remove(temporary)
            if !Files.exists(paths.root(key)) { try? Files.remove(paths.record(key)) }
            throw error
        }
    }

    private func lock(_ key: RootKey, _ progress: (ImageProgress) -> Void) throws(ImageError) -> FileLock {
        let path = paths.lock(key)
        if let lock = try onHost({ () throws(HostError) -> FileLock? in try FileLock.tryLock(path) }) { return lock }
        progress(.waiting)
        return try onHost { () throws(HostError) in try FileLock(waitingFor: path) }
    }

    /// The record first, then the root itself: a root that is there is complete.
    private func publish(_ record: RootRecord, _ key: RootKey) throws(ImageError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        guard let bytes = try? encoder.encode(record) else { preconditionFailure("strings and numbers can be encoded") }
        let (temporary, target) = (paths.building(key), paths.root(key))
        try onHost { () throws(HostError) in
            try AtomicFile.write(bytes, to: paths.record(key))
            try Files.rename(temporary, to: target)
            try Files.syncDirectory(paths.folder)
        }
    }
}
