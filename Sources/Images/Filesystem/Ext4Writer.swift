@preconcurrency import CExt2FS
import Glibc
import LinuxHost
import SystemPackage

/// Lays an ext4 file system around content that already lies in the image file.
///
/// No journal, because the root is only ever mounted read-only, and nothing that depends on when or where it is
/// written: the same tree gives the same bytes.
final class Ext4Writer {
    /// Every time that the file system itself needs; times of files come from the layers.
    static let epoch: Int = 1_577_836_800

    private let area: DataArea
    private let path: FilePath
    private let identity: [UInt8]
    private var nodes: [Node] = []
    private var parents: [UInt32] = []

    /// `identity` is 32 bytes that stand for the image: UUID and hash seed are taken from them.
    init(_ area: DataArea, path: FilePath, identity: [UInt8]) {
        self.area = area
        self.path = path
        self.identity = identity
    }

    /// Writes directories, inodes and tables of `tree`; returns the size of the image in bytes.
    func write(_ tree: ImageTree) throws(ImageError) -> UInt64 {
        number(tree.root)
        var spare = 64
        var contents: [[Extent]] = []
        for (index, node) in nodes.enumerated() {
            let extents = try content(of: node, parent: parents[index])
            // Blocks of the extent tree and of attributes are found by libext2fs: leave it enough of them.
            let runs = extents.reduce(0) { $0 + Int($1.count) / 32_768 + 1 }
            spare += runs > 4 ? runs / 150 + 3 : 0
            spare += node.attributes.extended.isEmpty ? 0 : 1
            contents.append(extents)
        }
        try area.flush()
        area.punch(tree.freed)
        let geometry = Geometry(used: Int(area.nextBlock), extra: spare, inodes: nodes.count + 10)
        let bytes = UInt64(geometry.blocks) * DataArea.blockSize
        try area.resize(to: bytes)
        let system = try Ext4Volume(path, geometry, identity: identity, freed: tree.freed)
        for (node, extents) in zip(nodes, contents) { try system.write(node, extents) }
        try system.close()
        return bytes
    }

    /// Numbers every node in the order of a walk through the sorted tree.
    private func number(_ root: Node) {
        var stack: [(Node, UInt32)] = [(root, 2)]
        var next: UInt32 = 11
        while let (node, parent) = stack.popLast() {
            guard node.inode == 0 else { continue }
            node.inode = node === root ? 2 : next
            if node !== root { next += 1 }
            nodes.append(node)
            parents.append(parent)
            for (_, child) in node.sortedChildren.reversed() { stack.append((child.node, node.inode)) }
        }
    }

    private func content(of node: Node, parent: UInt32) throws(ImageError) -> [Extent] {
        switch node.content {
        case .file(_, let extents): return extents
        case .symbolicLink(let target):
            // Up to 59 bytes live in the inode itself.
            return target.count < 60 ? [] : try area.put(target)
        case .directory:
            var blocks = DirectoryBlocks(inode: node.inode, parent: parent)
            for (name, child) in node.sortedChildren {
                blocks.add(child.node.inode, name.bytes, child.node.recordKind)
            }
            return try area.put(blocks.finish())
        case .device, .fifo: return []
        }
    }
}

extension Node {
    var recordKind: DirectoryBlocks.Kind {
        switch content {
        case .directory: .directory
        case .file: .file
        case .symbolicLink: .symbolicLink
        case .device(let isBlock, _, _): isBlock ? .blockDevice : .characterDevice
        case .fifo: .fifo
        }
    }
}
