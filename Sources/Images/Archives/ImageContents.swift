import LinuxHost

/// Everything a root is built from: the checked documents and where the layers are.
struct ImageContents {
    let configurationDigest: Digest
    let configuration: ConfigurationDocument
    /// Lowest first.
    let layers: [Layer]
    /// Names that the archive gives the image.
    let names: [String]
}

extension ImageContents {
    /// Finds the image in `store`: an OCI layout if it is one, otherwise what `docker save` writes.
    init(_ store: BlobStore, tag: String?, form: ImageSource.Form, limits: ImageLimits) throws(ImageError) {
        let isSaved = store.isArchive && store.contains("manifest.json")
        let isLayout = store.contains("index.json")
        switch form {
        case .dockerArchive where isSaved, .any where isSaved:
            self = try SavedImage.contents(store, tag: tag, limits: limits)
        case .dockerArchive where isLayout, .ociArchive where isLayout, .ociLayout where isLayout, .any where isLayout:
            self = try OCILayout(store: store, limits: limits).contents(tag: tag)
        default:
            throw .badData(
                subject: store.subject,
                reason:
                    "it has neither a manifest.json, as \"docker save\" writes it, nor the index.json of an OCI layout")
        }
    }
}
