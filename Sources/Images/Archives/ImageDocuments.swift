/// A reference from one document of an OCI image to a blob.
struct Descriptor: Decodable {
    struct Target: Decodable {
        let architecture: String?
        let os: String?
    }

    let mediaType: String?
    let digest: String
    let size: Int64
    let annotations: [String: String]?
    let platform: Target?
}

/// An index, a manifest, or what pretends to be one; which it is follows from the fields it has.
struct ManifestDocument: Decodable {
    let schemaVersion: Int?
    let mediaType: String?
    let manifests: [Descriptor]?
    let config: Descriptor?
    let layers: [Descriptor]?
}

/// An entry of `manifest.json`, as `docker save` writes it.
struct SavedImage: Decodable {
    let Config: String
    let RepoTags: [String]?
    let Layers: [String]?
}

/// The media types of images that can be run; others are charts, signatures, encrypted layers.
enum MediaType {
    static let indexes: Set<String> = [
        "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json",
    ]
    static let manifests: Set<String> = [
        "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
    ]
    static let configurations: Set<String> = [
        "application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json",
    ]

    /// Whether a layer is a tar, alone or compressed; which of them is seen from its content.
    static func isLayer(_ type: String) -> Bool {
        for prefix in [
            "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.nondistributable.v1.tar",
        ]
        where type.hasPrefix(prefix) {
            return ["", "+gzip", "+zstd"].contains(type.dropFirst(prefix.count))
        }
        for prefix in [
            "application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.foreign.diff.tar",
        ]
        where type.hasPrefix(prefix) {
            return ["", ".gzip", ".zstd"].contains(type.dropFirst(prefix.count))
        }
        return false
    }
}
