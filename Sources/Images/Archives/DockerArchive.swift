import LinuxHost

/// Reading what `docker save` and its like write: a manifest.json that names files of the archive.
extension SavedImage {
    static func contents(_ store: BlobStore, tag: String?, limits: ImageLimits) throws(ImageError) -> ImageContents {
        let subject = "manifest.json"
        guard let blob = try store.blob(subject) else {
            throw .badData(subject: store.subject, reason: "it has no manifest.json")
        }
        let bytes = try blob.bytes(limit: limits.documentBytes, subject: subject)
        let images = try decodeDocument([SavedImage].self, bytes, subject: subject)
        return try choose(images, tag: tag, store).contents(store, limits: limits)
    }

    private static func choose(_ images: [SavedImage], tag: String?, _ store: BlobStore) throws(ImageError)
        -> SavedImage
    {
        let known = images.flatMap { $0.RepoTags ?? [] }.sorted().joined(separator: ", ")
        if let tag {
            let wanted = ImageReference(tag)?.canonical
            let found = images.first { image in
                (image.RepoTags ?? []).contains {
                    $0 == tag || $0.hasSuffix(":" + tag) || (wanted != nil && ImageReference($0)?.canonical == wanted)
                }
            }
            if let found { return found }
            throw .notFound(
                image: tag, reason: "\(store.subject) does not have it",
                remedy: known.isEmpty ? "leave the tag out, its images have none" : "it has \(known)")
        }
        guard let first = images.first else { throw .badData(subject: store.subject, reason: "it holds no image") }
        if images.count > 1 {
            throw .badData(subject: store.subject, reason: "it holds several images: add one of their tags, \(known)")
        }
        return first
    }

    private func contents(_ store: BlobStore, limits: ImageLimits) throws(ImageError) -> ImageContents {
        let subject = ConfigurationDocument.subject
        guard let blob = try store.blob(Config) else {
            throw .badData(subject: subject, reason: "\(printable(Config.utf8)) is missing from \(store.subject)")
        }
        let bytes = try blob.bytes(limit: limits.documentBytes, subject: subject)
        let found = SHA256.hash(bytes)
        guard let digest = Digest(hexadecimal: found) else {
            throw .badData(subject: subject, reason: "it has no digest")
        }
        if let claimed = SavedImage.digest(in: Config), claimed != digest {
            throw .badData(subject: subject, reason: "its digest is \(digest) and its name says \(claimed)")
        }
        let document = try ConfigurationDocument.parse(bytes)
        let diffIDs = try document.diffIDs(limits: limits)
        let paths = Layers ?? []
        guard diffIDs.count == paths.count else {
            throw .badData(
                subject: subject, reason: "it lists \(diffIDs.count) layers and manifest.json \(paths.count)")
        }
        var layers: [Layer] = []
        for (index, (path, diffID)) in zip(paths, diffIDs).enumerated() {
            guard let blob = try store.blob(path) else {
                throw .badData(
                    subject: "layer \(index + 1)", reason: "\(printable(path.utf8)) is missing from \(store.subject)")
            }
            // Layers in the form of blobs are named for their digest; the older form only has the diffID.
            let stored = path.hasPrefix("blobs/sha256/") ? SavedImage.digest(in: path) : nil
            layers.append(Layer(blob: blob, digest: stored, diffID: diffID))
        }
        return ImageContents(
            configurationDigest: digest, configuration: document, layers: layers, names: RepoTags ?? [])
    }

    /// The digest in names like `blobs/sha256/HEX` and `HEX.json`; other names claim nothing.
    private static func digest(in path: String) -> Digest? {
        guard let last = path.split(separator: "/").last else { return nil }
        return Digest(hexadecimal: String(last.hasSuffix(".json") ? last.dropLast(5) : last))
    }
}
