import LinuxHost
import SystemPackage

/// From a name to a root: what an engine has now, or what the store remembers.
struct NameResolver {
    let store: ImageStore
    let engines: [EngineSocket]
    let progress: (ImageProgress) -> Void

    /// An engine is asked first, because a tag that was built again is another image; the store answers when no
    /// engine has the name or none can be reached.
    func resolve(_ reference: ImageReference) throws(ImageError) -> StoredImage {
        var trouble: ImageError?
        var asked: [String] = []
        for engine in engines where engine.exists {
            asked.append(engine.path.string)
            do throws(ImageError) {
                guard case .image(let id) = try engine.inspect(reference) else { continue }
                return try image(reference, id: id, engine)
            } catch .unavailable(let engine, let reason) {
                trouble = .unavailable(engine: engine, reason: reason)
            }
        }
        let table = NameTable(paths: store.paths)
        if let entry = table.entry(reference.canonical), let key = RootKey(entry.key),
            let (image, _) = store.load(key, name: reference.description)
        {
            return image
        }
        if let trouble { throw trouble }
        throw .notFound(
            image: reference.description,
            reason: asked.isEmpty
                ? "it is not in the local store and no container engine listens here"
                : "neither the local store nor the engine at \(asked.joined(separator: ", ")) has it",
            remedy: "try docker-archive:FILE, oci:FOLDER or demo, or build or pull it with the engine")
    }

    private func image(_ reference: ImageReference, id: String, _ engine: EngineSocket) throws(ImageError)
        -> StoredImage
    {
        let table = NameTable(paths: store.paths)
        let name = reference.description
        if let entry = table.entry(reference.canonical), entry.stamp == id, let key = RootKey(entry.key),
            let (image, _) = store.load(key, name: name)
        {
            return image
        }
        // Engines without an image store of their own use the configuration's digest as id.
        if let digest = Digest(id), let (image, _) = store.load(RootKey(digest), name: name) {
            try table.set(reference.canonical, RootKey(digest), stamp: id)
            return image
        }
        var spool = try Spool(store.paths)
        try engine.save(reference, into: &spool, limit: store.limits.bytes, progress)
        let archive = spool.file(standsFor: FilePath("archive of \(name)"))
        let contents: ImageContents
        do throws(ImageError) {
            contents = try ImageContents(archive: archive, tag: nil, form: .any, limits: store.limits)
        } catch {
            throw .unavailable(engine: engine.path.string, reason: "it sent an archive that is damaged: \(error)")
        }
        let image = try store.root(contents, name: name, progress)
        try table.set(reference.canonical, RootKey(contents.configurationDigest), stamp: id)
        return image
    }
}
