import LinuxHost

/// The image that fcctl carries in itself: one program, and the files that programs expect to find.
enum DemoImage {
    /// 2025-01-01: the same app gives the same image, whenever it is made.
    private static let time = 1_735_689_600

    static func contents(app: [UInt8]) throws(ImageError) -> ImageContents {
        var tar = TarWriter(time: time)
        for folder in ["dev", "etc", "proc", "root", "run", "sys", "var"] { tar.folder(folder, mode: 0o755) }
        tar.folder("tmp", mode: 0o1777)
        tar.file("demo", app, mode: 0o755)
        tar.file("etc/passwd", Array("root:x:0:0:root:/root:/sbin/nologin\n".utf8), mode: 0o644)
        tar.file("etc/group", Array("root:x:0:\n".utf8), mode: 0o644)
        tar.file("etc/hostname", Array("demo\n".utf8), mode: 0o644)
        tar.file("etc/hosts", Array("127.0.0.1 localhost\n".utf8), mode: 0o644)
        let layer = tar.finish()
        let configuration = """
            {"architecture":"\(Platform.architecture)","config":{"Entrypoint":["/demo"],\
            "Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],\
            "ExposedPorts":{"3000/tcp":{}},"WorkingDir":"/"},"os":"linux",\
            "rootfs":{"diff_ids":["sha256:\(SHA256.hash(layer))"],"type":"layers"}}
            """
        let bytes = Array(configuration.utf8)
        let document = try ConfigurationDocument.parse(bytes)
        guard let digest = Digest(hexadecimal: SHA256.hash(bytes)),
            let diffID = try document.diffIDs(limits: ImageLimits()).first
        else { preconditionFailure("a SHA-256 is a digest") }
        return ImageContents(
            configurationDigest: digest, configuration: document,
            layers: [Layer(blob: .memory(layer), digest: nil, diffID: diffID)], names: [])
    }
}
