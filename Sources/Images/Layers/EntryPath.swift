/// The name of a file inside a directory: bytes, because Linux does not require them to be text.
struct EntryName: Hashable, Comparable {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    init(_ text: String) {
        bytes = Array(text.utf8)
    }

    func hash(into hasher: inout Hasher) {
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    }

    static func < (left: EntryName, right: EntryName) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }
}

/// What an entry's name asks for once its spelling is judged.
enum EntryPath: Equatable {
    /// A path below the root; empty for the root itself.
    case node([EntryName])
    /// `.wh.NAME`: whatever lower layers have at this path is gone.
    case whiteout([EntryName])
    /// `.wh..wh..opq`: whatever lower layers have inside this directory is gone.
    case opaque([EntryName])
    /// Bookkeeping of the AUFS driver that has no meaning in the image.
    case ignored
}

extension EntryName {
    static let opaqueMarker = Array(".wh..wh..opq".utf8)
    static let whiteoutPrefix = Array(".wh.".utf8)
    static let bookkeepingPrefix = Array(".wh..wh.".utf8)
}

extension EntryPath {
    /// Splits `path` and refuses what no honest layer has; `subject` names the layer in the error.
    init(_ path: [UInt8], limits: ImageLimits, subject: String) throws(ImageError) {
        let components = try EntryPath.components(path, limits: limits, subject: subject)
        guard let last = components.last else {
            self = .node([])
            return
        }
        if components[0].bytes.starts(with: EntryName.bookkeepingPrefix), last.bytes != EntryName.opaqueMarker {
            self = .ignored
            return
        }
        let parents = Array(components.dropLast())
        guard !parents.contains(where: { $0.bytes.starts(with: EntryName.whiteoutPrefix) }) else {
            throw .badData(subject: subject, reason: "entry \(printable(path)) lies below a whiteout")
        }
        if last.bytes == EntryName.opaqueMarker {
            self = .opaque(parents)
        } else if last.bytes.starts(with: EntryName.bookkeepingPrefix) {
            self = .ignored
        } else if last.bytes.starts(with: EntryName.whiteoutPrefix) {
            let hidden = Array(last.bytes.dropFirst(EntryName.whiteoutPrefix.count))
            guard ![[], [0x2e], [0x2e, 0x2e]].contains(hidden) else {
                throw .badData(subject: subject, reason: "entry \(printable(path)) is a whiteout of nothing")
            }
            self = .whiteout(parents + [EntryName(hidden)])
        } else {
            self = .node(components)
        }
    }

    /// One leading slash is the image's own root: some builders of Go images write their entries like that.
    static func components(
        _ path: [UInt8], limits: ImageLimits, subject: String
    ) throws(ImageError) -> [EntryName] {
        guard path.count <= limits.pathBytes else {
            throw .badData(
                subject: subject, reason: "a path of \(path.count) bytes; Linux has at most \(limits.pathBytes)")
        }
        var components: [EntryName] = []
        for part in path.split(separator: 0x2f) {
            if part.elementsEqual([0x2e]) { continue }
            guard !part.elementsEqual([0x2e, 0x2e]) else {
                throw .badData(subject: subject, reason: "entry \(printable(path)) leaves the image with \"..\"")
            }
            guard part.count <= 255 else {
                throw .badData(subject: subject, reason: "a name of \(part.count) bytes; Linux has at most 255")
            }
            components.append(EntryName(Array(part)))
        }
        guard components.count <= limits.depth else {
            throw .badData(
                subject: subject,
                reason: "an entry lies \(components.count) folders deep; at most \(limits.depth) are sensible")
        }
        return components
    }
}
