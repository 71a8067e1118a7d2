import LinuxHost
package import SystemPackage

/// Where an image is to come from, as the user wrote it.
package enum ImageSource: Sendable, Hashable {
    /// The small HTTP app that fcctl carries in itself.
    case demo
    /// A file or folder, and which of the images in it.
    case path(FilePath, tag: String?, Form)
    /// A name for the local store and for a container engine.
    case name(ImageReference)

    /// What the user said the file is; `any` is found out from its content.
    package enum Form: Sendable, Hashable {
        case dockerArchive, ociArchive, ociLayout, any
    }

    /// Parses `demo`, `docker-archive:FILE[:NAME]`, `oci-archive:FILE[:TAG]`, `oci:FOLDER[:TAG]`, a path or a name.
    ///
    /// Looks at the file system to tell a path from a name; throws `notFound` when a path leads nowhere and `badData`
    /// for what can be neither.
    package init(parsing text: String) throws(ImageError) {
        for (prefix, form) in [
            ("docker-archive:", Form.dockerArchive), ("oci-archive:", .ociArchive), ("oci:", .ociLayout),
        ] where text.hasPrefix(prefix) {
            self = try ImageSource.split(String(text.dropFirst(prefix.count)), form, shown: text)
            return
        }
        if text == "demo" {
            self = .demo
        } else if text.hasPrefix("/") || text.hasPrefix("./") || text.hasPrefix("../") || text == "." || text == ".." {
            self = try ImageSource.split(text, .any, shown: text)
        } else if ImageSource.holdsImage(FilePath(text)) {
            self = .path(FilePath(text), tag: nil, .any)
        } else if [".tar", ".tar.gz", ".tgz", ".tar.zst"].contains(where: { text.hasSuffix($0) }) {
            self = try ImageSource.split(text, .any, shown: text)
        } else if let reference = ImageReference(text) {
            self = .name(reference)
        } else {
            throw .badData(
                subject: "the image name \(printable(text.utf8))",
                reason: "it is neither a file nor a name like registry/team/app:tag")
        }
    }

    /// Cuts a tag off the end of a path: the longest part that exists is the path.
    private static func split(_ text: String, _ form: Form, shown: String) throws(ImageError) -> ImageSource {
        var end = text.endIndex
        while true {
            let path = FilePath(String(text[..<end]))
            if !path.isEmpty, Files.exists(path) {
                let tag = end == text.endIndex ? nil : String(text[text.index(after: end)...])
                if tag != "" { return .path(path, tag: tag, form) }
            }
            guard let colon = text[..<end].lastIndex(of: ":") else { break }
            end = colon
        }
        throw .notFound(image: shown, reason: "there is no such file or folder", remedy: "check the path")
    }

    /// Whether a path without "/" in front means a file that lies here rather than a name.
    private static func holdsImage(_ path: FilePath) -> Bool {
        guard Files.exists(path) else { return false }
        if Files.isDirectory(path) { return Files.exists(path.appending("index.json")) }
        // What cannot be opened or read is no archive; as a name it will get an error of its own.
        guard let file = try? ImageFile(path) else { return false }
        let start = try? Blob.range(file, offset: 0, size: 512).bytes(limit: 512, subject: path.string)
        return file.isCompressed || start.flatMap { TarHeader($0) } != nil
    }

    /// How messages call it.
    var shown: String {
        switch self {
        case .demo: "demo"
        case .path(let path, let tag, _): path.string + (tag.map { ":" + $0 } ?? "")
        case .name(let reference): reference.description
        }
    }
}
