import CArchive

/// Applies one layer after another to the tree and puts file content into the image as it streams by.
struct LayerApplier {
    private(set) var tree = ImageTree()
    private let limits: ImageLimits
    private let area: DataArea
    private var entries = 0
    private var bytes: UInt64 = 0
    private var layer = 0

    init(limits: ImageLimits, area: DataArea) {
        self.limits = limits
        self.area = area
    }

    /// Applies `source` on top of what is there; `progress` gets the bytes read of it so far.
    mutating func apply(_ source: Layer, progress: (UInt64) -> Void) throws(ImageError) {
        layer += 1
        let stream = try LayerStream(source, number: layer, limits: limits, allowance: limits.bytes - bytes)
        while let entry = try stream.next() {
            entries += 1
            guard entries <= limits.entries else {
                throw .badData(subject: stream.subject, reason: "the image has more than \(limits.entries) entries")
            }
            try apply(entry, stream, progress)
            progress(stream.storedBytes)
        }
        try stream.verify()
        bytes += stream.expandedBytes
    }

    private mutating func apply(
        _ entry: LayerEntry, _ stream: LayerStream, _ progress: (UInt64) -> Void
    ) throws(ImageError) {
        let subject = stream.subject
        switch try EntryPath(entry.path, limits: limits, subject: subject) {
        case .ignored: break
        case .node(let components): try place(entry, components, stream, progress)
        case .whiteout(let components):
            guard let parent = try whiteoutParent(components.dropLast(), subject), let name = components.last,
                let child = parent[name]
            else { break }
            let remains = child.node.isDirectory && tree.hideLower(in: child.node, layer: layer)
            if child.layer != layer, !remains { tree.detach(name, from: parent) }
        case .opaque(let components):
            guard let directory = try whiteoutParent(components[...], subject) else { break }
            tree.hideLower(in: directory, layer: layer)
        }
    }

    /// The directory of a whiteout; nil when there is none, so that nothing is hidden. Links are refused on the way: no
    /// tool that compares two trees writes a whiteout through one, only somebody who wants to surprise.
    private func whiteoutParent(_ components: ArraySlice<EntryName>, _ subject: String) throws(ImageError) -> Node? {
        do throws(ImageTree.LookupError) {
            return try tree.directory(components, followLinks: false)
        } catch {
            if case .throughLink(let name) = error {
                throw .badData(subject: subject, reason: "a whiteout goes through the link \(printable(name.bytes))")
            }
            return nil
        }
    }

    private mutating func place(
        _ entry: LayerEntry, _ components: [EntryName], _ stream: LayerStream, _ progress: (UInt64) -> Void
    ) throws(ImageError) {
        let subject = "\(stream.subject), entry \(printable(entry.path))"
        guard let name = components.last else {
            guard entry.kind == .directory else {
                throw .badData(subject: subject, reason: "the root must be a folder")
            }
            tree.root.attributes = entry.attributes
            return
        }
        let parent = try directory(components.dropLast(), creating: layer, subject: subject)
        switch entry.kind {
        case .directory:
            if let old = parent[name], old.node.isDirectory {
                old.node.attributes = entry.attributes
                parent.setChild(name, Node.Child(node: old.node, layer: layer))
            } else {
                tree.attach(Node(.directory([:]), entry.attributes), name, in: parent, layer: layer)
            }
        case .file(let size):
            guard size <= limits.bytes else {
                throw .badData(subject: subject, reason: "the file claims \(size) bytes, beyond the limit of the image")
            }
            let extents = try write(size, stream, progress)
            tree.attach(Node(.file(size: size, extents: extents), entry.attributes), name, in: parent, layer: layer)
        case .symbolicLink(let target):
            guard target.count < 4096 else { throw .badData(subject: subject, reason: "the link's target is too long") }
            tree.attach(Node(.symbolicLink(target), entry.attributes), name, in: parent, layer: layer)
        case .hardLink(let target):
            try link(target, name, in: parent, subject: subject)
        // Devices stay: the image is mounted by guests only, where each has its own, and tools of an image may test
        // for them. On the host they are an inode number inside a file.
        case .device(let isBlock, let major, let minor):
            let content = Node.Content.device(isBlock: isBlock, major: major, minor: minor)
            tree.attach(Node(content, entry.attributes), name, in: parent, layer: layer)
        case .fifo:
            tree.attach(Node(.fifo, entry.attributes), name, in: parent, layer: layer)
        }
    }

    private func write(
        _ size: UInt64, _ stream: LayerStream, _ progress: (UInt64) -> Void
    ) throws(ImageError) -> [Extent] {
        area.beginFile()
        try stream.content { (bytes, offset) throws(ImageError) in
            guard offset <= size, UInt64(bytes.count) <= size - offset else {
                throw .badData(subject: stream.subject, reason: "a file has more content than its size says")
            }
            try area.append(bytes, at: offset)
            progress(stream.storedBytes)
        }
        return try area.endFile()
    }

    private mutating func link(
        _ target: [UInt8], _ name: EntryName, in parent: Node, subject: String
    ) throws(ImageError) {
        guard target.first != 0x2f else {
            throw .badData(subject: subject, reason: "a hard link to an absolute path")
        }
        let components = try EntryPath.components(target, limits: limits, subject: subject)
        guard let last = components.last else { throw .badData(subject: subject, reason: "a hard link to the root") }
        let folder = try directory(components.dropLast(), creating: nil, subject: subject)
        guard let found = folder[last]?.node else {
            throw .badData(subject: subject, reason: "a hard link to \(printable(target)), which does not exist")
        }
        guard !found.isDirectory else { throw .badData(subject: subject, reason: "a hard link to a folder") }
        guard found.links < 65_000 else {
            throw .badData(subject: subject, reason: "more names for one file than ext4 has")
        }
        tree.attach(found, name, in: parent, layer: layer)
    }

    private func directory(
        _ components: ArraySlice<EntryName>, creating: Int?, subject: String
    ) throws(ImageError) -> Node {
        do throws(ImageTree.LookupError) {
            return try tree.directory(components, creating: creating)
        } catch {
            let reason =
                switch error {
                case .tooDeep: "it lies deeper than any honest image has folders"
                case .circle: "its path goes through links in a circle"
                case .escapes: "its path goes through a link that leaves the image"
                case .missing(let name): "its path goes through \(printable(name.bytes)), which does not exist"
                case .notDirectory(let name), .throughLink(let name):
                    "its path goes through \(printable(name.bytes)), which is not a folder"
                }
            throw .badData(subject: subject, reason: reason)
        }
    }
}
