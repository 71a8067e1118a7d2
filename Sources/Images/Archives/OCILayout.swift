/// Follows an OCI layout from its index to one image of this platform.
struct OCILayout {
    let store: BlobStore
    let limits: ImageLimits

    private static let nameAnnotations = ["org.opencontainers.image.ref.name", "io.containerd.image.name"]

    /// The image called `tag`; without one the only image there is, or the one called `latest`.
    func contents(tag: String?) throws(ImageError) -> ImageContents {
        let subject = "index.json"
        guard let blob = try store.blob("index.json") else {
            throw .badData(subject: store.subject, reason: "it has no index.json")
        }
        let bytes = try blob.bytes(limit: limits.documentBytes, subject: subject)
        let index = try decodeDocument(ManifestDocument.self, bytes, subject: subject)
        guard index.schemaVersion == 2, let entries = index.manifests else {
            throw .badData(subject: subject, reason: "it is not an OCI index of version 2")
        }
        let chosen = try choose(entries, tag: tag)
        let manifest = try resolve(chosen, depth: 0)
        // A bare tag names nothing outside its layout.
        return try contents(manifest, names: names(chosen).filter { $0.contains("/") || $0.contains(":") })
    }

    private func names(_ descriptor: Descriptor) -> [String] {
        OCILayout.nameAnnotations.compactMap { descriptor.annotations?[$0] }
    }

    private func choose(_ entries: [Descriptor], tag: String?) throws(ImageError) -> Descriptor {
        let images = entries.filter { !isAttestation($0) }
        if let tag {
            let named = images.filter { entry in names(entry).contains { $0 == tag || $0.hasSuffix(":" + tag) } }
            if let found = forPlatform(named) { return found }
            let known = Set(images.flatMap(names)).sorted().joined(separator: ", ")
            throw .notFound(
                image: tag, reason: "\(store.subject) does not have it",
                remedy: known.isEmpty ? "leave the tag out, its images have none" : "it has \(known)")
        }
        if images.isEmpty { throw .badData(subject: store.subject, reason: "its index lists no image") }
        let latest = images.filter { entry in names(entry).contains { $0 == "latest" || $0.hasSuffix(":latest") } }
        let labels = Set(images.compactMap { names($0).first })
        if labels.count > 1, latest.isEmpty {
            throw .badData(
                subject: store.subject,
                reason: "it holds several images: add one of their tags, \(labels.sorted().joined(separator: ", "))")
        }
        guard let found = forPlatform(latest.isEmpty ? images : latest) else {
            throw .badData(subject: store.subject, reason: "no image in it is for linux/\(Platform.architecture)")
        }
        return found
    }

    /// Statements about an image lie beside it in an index, for a platform called unknown.
    private func isAttestation(_ descriptor: Descriptor) -> Bool {
        descriptor.platform?.architecture == "unknown" || descriptor.annotations?["vnd.docker.reference.type"] != nil
    }

    private func forPlatform(_ entries: [Descriptor]) -> Descriptor? {
        let exact = entries.first {
            $0.platform?.os == "linux" && $0.platform?.architecture == Platform.architecture
        }
        return exact ?? entries.first { ($0.platform?.architecture ?? "").isEmpty }
    }

    private func resolve(_ descriptor: Descriptor, depth: Int) throws(ImageError) -> ManifestDocument {
        let subject = depth == 0 ? "the manifest" : "the manifest at depth \(depth) of the index"
        guard depth <= limits.indexDepth else {
            throw .badData(subject: store.subject, reason: "its indexes are nested deeper than \(limits.indexDepth)")
        }
        let bytes = try store.document(descriptor, subject: subject, limits: limits)
        let document = try decodeDocument(ManifestDocument.self, bytes, subject: subject)
        guard document.schemaVersion == 2 else {
            throw .badData(subject: subject, reason: "it has a schema version other than 2, which is no longer in use")
        }
        let type = document.mediaType ?? descriptor.mediaType ?? ""
        if let declared = descriptor.mediaType, let own = document.mediaType, declared != own {
            throw .badData(
                subject: subject,
                reason: "its media type is \(printable(own.utf8)) and it is referred to as \(printable(declared.utf8))")
        }
        if MediaType.indexes.contains(type) {
            guard document.config == nil, document.layers == nil, let entries = document.manifests else {
                throw .badData(subject: subject, reason: "it is an index and a manifest at the same time")
            }
            guard let next = forPlatform(entries.filter { !isAttestation($0) }) else {
                throw .badData(subject: "the image", reason: "it has no variant for linux/\(Platform.architecture)")
            }
            return try resolve(next, depth: depth + 1)
        }
        guard MediaType.manifests.contains(type), document.manifests == nil else {
            throw .badData(subject: subject, reason: "its media type \(printable(type.utf8)) is not that of an image")
        }
        return document
    }

    private func contents(_ manifest: ManifestDocument, names: [String]) throws(ImageError) -> ImageContents {
        guard let config = manifest.config, let descriptors = manifest.layers else {
            throw .badData(subject: "the manifest", reason: "it lacks a configuration or layers")
        }
        guard let type = config.mediaType, MediaType.configurations.contains(type) else {
            let shown = printable((config.mediaType ?? "").utf8)
            throw .badData(subject: "the manifest", reason: "\(shown) is not the configuration of a container image")
        }
        let subject = ConfigurationDocument.subject
        let bytes = try store.document(config, subject: subject, limits: limits)
        let document = try ConfigurationDocument.parse(bytes)
        let diffIDs = try document.diffIDs(limits: limits)
        guard diffIDs.count == descriptors.count else {
            throw .badData(
                subject: subject, reason: "it lists \(diffIDs.count) layers and the manifest \(descriptors.count)")
        }
        guard let digest = Digest(config.digest) else { throw .badData(subject: subject, reason: "it has no digest") }
        var layers: [Layer] = []
        for (index, (descriptor, diffID)) in zip(descriptors, diffIDs).enumerated() {
            let subject = "layer \(index + 1)"
            guard let type = descriptor.mediaType, MediaType.isLayer(type) else {
                let shown = printable((descriptor.mediaType ?? "").utf8)
                throw .badData(subject: subject, reason: "\(shown) is not a layer that can be unpacked")
            }
            let (digest, blob) = try store.checked(descriptor, subject: subject)
            layers.append(Layer(blob: blob, digest: digest, diffID: diffID))
        }
        return ImageContents(configurationDigest: digest, configuration: document, layers: layers, names: names)
    }
}
