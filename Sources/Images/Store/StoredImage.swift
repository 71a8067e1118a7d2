package import SystemPackage

/// An image that is ready to boot.
package struct StoredImage: Sendable, Hashable {
    /// How the user called it, or the name that the archive gives it.
    package let name: String
    /// Digest of the configuration, `sha256:…`: the identity of the image.
    package let digest: String
    /// A read-only ext4 file, mode 0444, that never changes; another content gets another path.
    package let rootfs: FilePath
    package let configuration: RunConfiguration
    /// Size of the file as a guest sees it.
    package let bytes: UInt64
}

/// The JSON beside a root.
struct RootRecord: Codable {
    let digest: String
    let configuration: RunConfiguration
    let bytes: UInt64
    let names: [String]
}
