/// Finding nodes by path, as the kernel would with the image as its root.
extension ImageTree {
    /// Symbolic links that one lookup follows before it counts as a circle; the kernel's own number.
    private static let linkLimit = 40

    /// Folders below one another, however they are reached: links could pile up what a single path may not have.
    private static let depthLimit = 256

    enum LookupError: Error {
        case tooDeep
        case circle
        case escapes
        case notDirectory(EntryName)
        case missing(EntryName)
        case throughLink(EntryName)
    }

    /// The directory that `components` lead to. With `creating`, missing ones are made as layer `creating`'s own.
    func directory(
        _ components: ArraySlice<EntryName>, creating layer: Int? = nil, followLinks: Bool = true
    ) throws(LookupError) -> Node {
        var trail = [root]
        var pending = Array(components.reversed())
        var links = 0
        while let name = pending.popLast() {
            if name.bytes == [0x2e, 0x2e] {
                // Only the target of a link can say "..": entries with it are refused before.
                if trail.count == 1 { throw .escapes }
                trail.removeLast()
                continue
            }
            if trail.count > ImageTree.depthLimit { throw .tooDeep }
            let here = trail[trail.count - 1]
            guard let child = here[name] else {
                guard let layer else { throw .missing(name) }
                // A link that leads nowhere must not be made to lead somewhere.
                if links > 0 { throw .missing(name) }
                let made = Node(.directory([:]), Attributes())
                made.links = 1
                here.setChild(name, Node.Child(node: made, layer: layer))
                trail.append(made)
                continue
            }
            switch child.node.content {
            case .directory: trail.append(child.node)
            case .symbolicLink(let target):
                if !followLinks { throw .throughLink(name) }
                links += 1
                if links > ImageTree.linkLimit { throw .circle }
                if target.first == 0x2f { trail = [root] }
                pending += target.split(separator: 0x2f).filter { !$0.elementsEqual([0x2e]) }
                    .map { EntryName(Array($0)) }.reversed()
            default: throw .notDirectory(name)
            }
        }
        return trail[trail.count - 1]
    }

    /// The node at a path like `etc/passwd`, links followed to the end; nil when there is none.
    func find(_ path: String) -> Node? {
        var components = path.split(separator: "/").map { EntryName(String($0)) }
        for _ in 0..<ImageTree.linkLimit {
            guard let last = components.last, let parent = try? directory(components.dropLast()[...]),
                let child = parent[last]
            else { return nil }  // a path that cannot be walked has nothing at its end
            guard case .symbolicLink(let target) = child.node.content else { return child.node }
            let tail = target.split(separator: 0x2f).map { EntryName(Array($0)) }
            components = target.first == 0x2f ? tail : components.dropLast() + tail
        }
        return nil
    }
}
