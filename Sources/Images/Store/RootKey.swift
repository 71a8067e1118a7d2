import LinuxHost

/// What a finished root is filed under: the digest of its configuration, which fixes all content, and the version of
/// the builder, which fixes the bytes made from it.
struct RootKey: Hashable {
    /// Raise it with every change that gives the same image other bytes.
    private static let builderVersion = 1

    /// 64 hexadecimal digits.
    let text: String

    init(_ configuration: Digest) {
        text = SHA256.hash(Array("rootfs \(RootKey.builderVersion) \(configuration)".utf8))
    }

    /// nil unless `text` is a key as file names have it.
    init?(_ text: String) {
        guard Digest(hexadecimal: text) != nil else { return nil }
        self.text = text
    }

    /// 32 bytes that make UUID and hash seed of the file system.
    var identity: [UInt8] {
        let digits = Array(text.utf8).map { $0 < 0x3a ? $0 - 0x30 : $0 - 0x57 }
        return stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
