/// The parts of a Debian kernel package that a guest needs: an `ar` with a compressed tar inside.
struct KernelPackage {
    let version: String
    /// The bzImage.
    let image: [UInt8]
    private let modules: [String: [UInt8]]

    init(_ bytes: [UInt8], name: String) throws(GuestBootError) {
        var data: [UInt8]?
        try ArchiveReader.forEachFile(in: bytes, name: name) { member, read throws(GuestBootError) in
            if member.hasPrefix("data.tar") { data = try read() }
        }
        guard let data else { throw .unreadable(name, reason: "it is not a Debian package") }
        var version: String?
        var image: [UInt8] = []
        var modules: [String: [UInt8]] = [:]
        try ArchiveReader.forEachFile(in: data, name: name) { path, read throws(GuestBootError) in
            let file = path.split(separator: "/").last.map(String.init) ?? ""
            if file.hasPrefix("vmlinuz-") {
                version = String(file.dropFirst(8))
                image = try read()
            } else if path.contains("/kernel/"), let module = KernelModules.name(ofFile: path),
                Self.mayBeNeeded(path)
            {
                let content = try read()
                modules[module] = path.hasSuffix(".ko") ? content : try ArchiveReader.decompress(content, name: path)
            }
        }
        guard let version, !image.isEmpty else { throw .unreadable(name, reason: "it has no kernel in it") }
        self.version = version
        self.image = image
        self.modules = modules
    }

    func module(_ name: String) throws(GuestBootError) -> [UInt8]? { modules[name] }

    /// Keeps the memory flat: a package has thousands of modules, and what a guest needs lies in these folders.
    private static func mayBeNeeded(_ path: String) -> Bool {
        [
            "/drivers/virtio/", "/drivers/block/", "/drivers/net/", "/net/core/", "/fs/ext4/", "/fs/jbd2/",
            "/fs/mbcache",
            "/fs/overlayfs/", "/crypto/", "/lib/",
        ].contains { path.contains($0) } && !path.contains("/drivers/net/ethernet/")
            && !path.contains("/drivers/net/wireless/")
    }
}
