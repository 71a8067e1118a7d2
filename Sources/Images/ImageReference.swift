/// A name of an image as users write it, in the form that engines and archives use.
package struct ImageReference: Sendable, Hashable, CustomStringConvertible {
    /// `registry.example/team/app`, without tag and digest; as written.
    package let repository: String
    /// The tag; `latest` when neither tag nor digest is given.
    package let tag: String?
    package let digest: Digest?

    /// nil unless `text` has the grammar of image names: lower-case path components, an optional tag and digest.
    package init?(_ text: String) {
        guard text.utf8.count <= 512 else { return nil }
        var rest = Substring(text)
        var digest: Digest?
        if let at = rest.firstIndex(of: "@") {
            guard let parsed = Digest(String(rest[rest.index(after: at)...])) else { return nil }
            digest = parsed
            rest = rest[..<at]
        }
        var tag: String?
        let nameStart = rest.lastIndex(of: "/").map { rest.index(after: $0) } ?? rest.startIndex
        if let colon = rest[nameStart...].firstIndex(of: ":") {
            tag = String(rest[rest.index(after: colon)...])
            rest = rest[..<colon]
            guard let tag, ImageReference.isTag(tag) else { return nil }
        }
        let components = rest.split(separator: "/", omittingEmptySubsequences: false)
        let hasRegistry = components.count > 1 && ImageReference.looksLikeRegistry(components[0])
        for (index, component) in components.enumerated() {
            if index == 0, hasRegistry { continue }
            guard ImageReference.isComponent(component) else { return nil }
        }
        repository = String(rest)
        self.digest = digest
        self.tag = tag ?? (digest == nil ? "latest" : nil)
    }

    package var description: String {
        repository + (tag.map { ":" + $0 } ?? "") + (digest.map { "@\($0)" } ?? "")
    }

    /// One spelling for all names of the same image: `app`, `docker.io/app` and `docker.io/library/app` are equal.
    package var canonical: String {
        var path = repository
        for prefix in ["index.docker.io/", "docker.io/"] where path.hasPrefix(prefix) {
            path = String(path.dropFirst(prefix.count))
        }
        if path.hasPrefix("localhost/") { path = String(path.dropFirst("localhost/".count)) }
        if path.hasPrefix("library/") { path = String(path.dropFirst("library/".count)) }
        return path + (tag.map { ":" + $0 } ?? "") + (digest.map { "@\($0)" } ?? "")
    }

    private static func looksLikeRegistry(_ text: Substring) -> Bool {
        guard text == "localhost" || text.contains(".") || text.contains(":") || text.contains("[") else {
            return false
        }
        // No host has an empty label, and a path must never have this one.
        if text.contains("..") { return false }
        return text.utf8.allSatisfy { byte in
            isAlphanumeric(byte) || (65...90).contains(byte) || [0x2d, 0x2e, 0x3a, 0x5b, 0x5d].contains(byte)
        }
    }

    private static func isTag(_ text: String) -> Bool {
        guard (1...128).contains(text.utf8.count), let first = text.utf8.first, first != 0x2e, first != 0x2d else {
            return false
        }
        return text.utf8.allSatisfy { byte in
            isAlphanumeric(byte) || (65...90).contains(byte) || [0x5f, 0x2e, 0x2d].contains(byte)
        }
    }

    private static func isComponent(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, let last = text.utf8.last, isAlphanumeric(first), isAlphanumeric(last) else {
            return false
        }
        return text.utf8.allSatisfy { isAlphanumeric($0) || [0x2d, 0x2e, 0x5f].contains($0) } && !text.contains("..")
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (97...122).contains(byte)
    }
}
