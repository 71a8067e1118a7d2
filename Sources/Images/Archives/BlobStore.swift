import LinuxHost
import SystemPackage

/// Where the documents and layers of an image lie: a folder or an uncompressed tar.
enum BlobStore {
    case folder(FilePath)
    case archive(ImageFile, TarIndex)

    var subject: String {
        switch self {
        case .folder(let path): path.string
        case .archive(let file, _): file.path.string
        }
    }

    /// Only in an archive are the paths of a manifest.json names and nothing else; in a folder they could lead out.
    var isArchive: Bool {
        if case .archive = self { true } else { false }
    }

    func contains(_ name: String) -> Bool {
        switch self {
        case .folder(let path): Files.exists(path.appending(name))
        case .archive(_, let index): index.locate(name) != nil
        }
    }

    /// The blob at a path inside the store; nil when there is none.
    func blob(_ name: String) throws(ImageError) -> Blob? {
        switch self {
        case .folder(let path):
            let full = path.appending(name)
            guard Files.exists(full) else { return nil }
            let file = try ImageFile(full)
            return .range(file, offset: 0, size: file.size)
        case .archive(let file, let index):
            guard let place = index.locate(name) else { return nil }
            return .range(file, offset: place.offset, size: place.size)
        }
    }

    func blob(_ digest: Digest) throws(ImageError) -> Blob? {
        try blob("blobs/sha256/" + digest.hexadecimal)
    }

    /// The document behind a descriptor, with its size and digest checked.
    func document(_ descriptor: Descriptor, subject: String, limits: ImageLimits) throws(ImageError) -> [UInt8] {
        let (digest, blob) = try checked(descriptor, subject: subject)
        let bytes = try blob.bytes(limit: limits.documentBytes, subject: subject)
        let found = SHA256.hash(bytes)
        guard found == digest.hexadecimal else {
            throw .badData(subject: subject, reason: "its digest is sha256:\(found) and it is referred to as \(digest)")
        }
        return bytes
    }

    /// The blob behind a descriptor, with its size checked; the digest of a layer is checked while it is read.
    func checked(_ descriptor: Descriptor, subject: String) throws(ImageError) -> (Digest, Blob) {
        guard let digest = Digest(descriptor.digest) else {
            throw .badData(subject: subject, reason: "\(printable(descriptor.digest.utf8)) is not a sha256 digest")
        }
        guard let blob = try blob(digest) else {
            throw .badData(subject: subject, reason: "\(digest) is missing from \(self.subject)")
        }
        guard descriptor.size >= 0, UInt64(descriptor.size) == blob.size else {
            throw .badData(
                subject: subject, reason: "it has \(blob.size) bytes and is referred to with \(descriptor.size)")
        }
        return (digest, blob)
    }
}
