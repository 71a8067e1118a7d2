import FoundationEssentials
import LinuxHost
import SystemPackage

/// A small docker-archive made here: BusyBox and a script.
struct TestImage {
    /// What the shell runs as the app; nil makes an image without a command.
    var script: String?
    var exposedPort: Int?
    /// Bytes of a file that is only there to make the image large.
    var padding = 0

    private struct Settings: Encodable {
        var Cmd: [String]?
        var Env = ["PATH=/bin"]
        var ExposedPorts: [String: [String: String]]?
    }

    private struct RootFS: Encodable {
        let type = "layers"
        let diff_ids: [String]
    }

    private struct Configuration: Encodable {
        let architecture = "amd64"
        let os = "linux"
        let config: Settings
        let rootfs: RootFS
    }

    private struct Entry: Encodable {
        let Config = "config.json"
        let RepoTags = ["test/image:latest"]
        let Layers = ["layer.tar"]
    }

    /// Writes the archive; needs the host's static BusyBox.
    func write(to archive: FilePath, in scratch: FilePath) throws {
        let folder = scratch.appending("image-\(archive.stem ?? "x")")
        for name in ["root/bin", "root/tmp", "root/etc", "root/proc", "root/dev", "root/sys"] {
            try Files.makeDirectory(folder.appending(name), mode: 0o755)
        }
        try Fcctl.tool("cp", ["--dereference", "/bin/busybox", folder.appending("root/bin/busybox").string])
        for applet in ["sh", "httpd", "sleep", "kill", "echo", "cat", "nc", "dd", "date"] {
            try Fcctl.tool("ln", ["-s", "busybox", folder.appending("root/bin/\(applet)").string])
        }
        if padding > 0 {
            // Not zeros, which take no space in the finished root.
            try AtomicFile.write([UInt8](repeating: 0x41, count: padding), to: folder.appending("root/padding"))
        }
        let layer = folder.appending("layer.tar")
        try Fcctl.tool(
            "tar", ["--create", "--file", layer.string, "--directory", folder.appending("root").string, "."])
        let settings = Settings(
            Cmd: script.map { ["/bin/sh", "-c", $0] }, ExposedPorts: exposedPort.map { ["\($0)/tcp": [:]] })
        let configuration = Configuration(
            config: settings, rootfs: RootFS(diff_ids: ["sha256:\(try SHA256.hash(file: layer))"]))
        try AtomicFile.write(Array(JSONEncoder().encode(configuration)), to: folder.appending("config.json"))
        try AtomicFile.write(Array(JSONEncoder().encode([Entry()])), to: folder.appending("manifest.json"))
        try Fcctl.tool(
            "tar",
            [
                "--create", "--file", archive.string, "--directory", folder.string, "manifest.json", "config.json",
                "layer.tar",
            ])
    }
}

extension Fcctl {
    /// An image whose app is a shell script; the word for the command line.
    func image(_ script: String?, name: String = "app", port: Int? = 3000) throws -> String {
        let archive = scratch.appending("\(name).tar")
        try TestImage(script: script, exposedPort: port).write(to: archive, in: scratch)
        return "docker-archive:\(archive)"
    }
}
