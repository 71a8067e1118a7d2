import Glibc
import LinuxHost
import SystemPackage

/// Makes one root from the layers of an image, at a path that is only published when everything is checked.
struct RootBuilder {
    let limits: ImageLimits
    let progress: (ImageProgress) -> Void

    struct Result {
        let configuration: RunConfiguration
        let bytes: UInt64
    }

    /// Writes the file at `path` and syncs it; on an error the caller removes it.
    func build(_ contents: ImageContents, key: RootKey, at path: FilePath) throws(ImageError) -> Result {
        try onHost { () throws(HostError) in try Files.remove(path) }
        let file = try onHost { () throws(HostError) in
            try Files.open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW)
        }
        let raw = file.rawValue
        let area = DataArea(file, path: path)
        var limits = limits
        // What the group descriptors have room for, less what small files waste in their last block.
        limits.bytes = min(limits.bytes, 200 << 30)
        let tree = try merge(contents, limits, area)
        progress(.finishing)
        let users = UserLookup(
            passwd: try text("etc/passwd", tree, area), group: try text("etc/group", tree, area))
        let configuration = try RunConfiguration(contents.configuration, users: users)
        let bytes = try Ext4Writer(area, path: path, identity: key.identity).write(tree)
        try onHost { () throws(HostError) in
            if fsync(raw) != 0 { throw HostError("sync", path.string, Errno(rawValue: errno)) }
            // Readable by a VMM of any user through a hard link or a descriptor; its folder is closed to them.
            if fchmod(raw, 0o444) != 0 { throw HostError("protect", path.string, Errno(rawValue: errno)) }
        }
        return Result(configuration: configuration, bytes: bytes)
    }

    private func merge(
        _ contents: ImageContents, _ limits: ImageLimits, _ area: DataArea
    ) throws(ImageError) -> ImageTree {
        var applier = LayerApplier(limits: limits, area: area)
        let count = contents.layers.count
        for (index, layer) in contents.layers.enumerated() {
            var reported: UInt64 = 0
            progress(.layer(number: index + 1, count: count, bytes: 0, size: layer.blob.size))
            try withUTF8Names { () throws(ImageError) in
                try applier.apply(layer) { bytes in
                    guard bytes >= reported + 4 << 20 else { return }
                    reported = bytes
                    progress(.layer(number: index + 1, count: count, bytes: bytes, size: layer.blob.size))
                }
            }
        }
        return applier.tree
    }

    /// A small file of the image; empty when it has none.
    private func text(_ path: String, _ tree: ImageTree, _ area: DataArea) throws(ImageError) -> String {
        guard case .file(let size, let extents)? = tree.find(path)?.content else { return "" }
        guard size <= 4 << 20 else {
            throw .badData(subject: "/" + path + " of the image", reason: "it is larger than 4 MiB")
        }
        return String(decoding: try area.read(extents, size: size), as: UTF8.self)
    }
}
