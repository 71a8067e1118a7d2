/// A run of blocks of a file: `logical` counts from the start of the file, `physical` from the start of the image.
struct Extent: Equatable {
    var logical: UInt32
    var physical: UInt32
    var count: UInt32
}

/// A file, directory, link or device of the image; several names may share one.
final class Node {
    enum Content {
        case directory([EntryName: Child])
        case file(size: UInt64, extents: [Extent])
        case symbolicLink([UInt8])
        case device(isBlock: Bool, major: UInt32, minor: UInt32)
        case fifo
    }

    struct Child {
        let node: Node
        /// The layer that put the name there: a whiteout hides only what lower layers have.
        var layer: Int
    }

    var attributes: Attributes
    var content: Content
    /// Names that lead here.
    var links = 0
    /// Set when the file system is written.
    var inode: UInt32 = 0

    init(_ content: Content, _ attributes: Attributes) {
        self.content = content
        self.attributes = attributes
    }

    var isDirectory: Bool {
        if case .directory = content { true } else { false }
    }

    subscript(name: EntryName) -> Child? {
        guard case .directory(let children) = content else { return nil }
        return children[name]
    }

    func setChild(_ name: EntryName, _ child: Child?) {
        guard case .directory(var children) = content else { return }
        content = .fifo  // so that the dictionary has one owner and is changed in place
        children[name] = child
        content = .directory(children)
    }

    /// In the order of their names, which is the order on disk.
    var sortedChildren: [(key: EntryName, value: Child)] {
        guard case .directory(let children) = content else { return [] }
        return children.sorted { $0.key < $1.key }
    }
}

/// The merged tree of the layers applied so far: all metadata and, for content, where it lies in the image file.
struct ImageTree {
    let root = Node(.directory([:]), Attributes())
    /// Blocks of content that an upper layer replaced or deleted.
    private(set) var freed: [Extent] = []

    init() {
        root.links = 1
    }

    /// Puts `node` at `name`; whatever was there is gone.
    mutating func attach(_ node: Node, _ name: EntryName, in parent: Node, layer: Int) {
        if let old = parent[name], old.node !== node { detach(name, from: parent) }
        if parent[name] == nil { node.links += 1 }
        parent.setChild(name, Node.Child(node: node, layer: layer))
    }

    mutating func detach(_ name: EntryName, from parent: Node) {
        guard let child = parent[name] else { return }
        parent.setChild(name, nil)
        release(child.node)
    }

    /// Removes from `directory` what layers below `layer` put there; true when something of `layer` remains.
    @discardableResult
    mutating func hideLower(in directory: Node, layer: Int) -> Bool {
        var remains = false
        for (name, child) in directory.sortedChildren {
            let keepsInside = child.node.isDirectory && hideLower(in: child.node, layer: layer)
            if child.layer == layer || keepsInside {
                remains = true
            } else {
                detach(name, from: directory)
            }
        }
        return remains
    }

    private mutating func release(_ node: Node) {
        node.links -= 1
        guard node.links == 0 else { return }
        switch node.content {
        case .file(_, let extents): freed.append(contentsOf: extents)
        case .directory(let children):
            node.content = .directory([:])
            for child in children.values { release(child.node) }
        default: break
        }
    }
}
