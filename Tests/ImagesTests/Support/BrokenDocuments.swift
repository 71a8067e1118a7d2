import LinuxHost
import SystemPackage

/// Manifests, indexes and configurations that lie or make no sense; each writes a layout into a folder.
enum BrokenDocuments {
    typealias Writer = @Sendable (FilePath) throws -> Void

    static let all: [(name: String, write: Writer)] =
        images.map { name, image in (name, { try image.writeLayout($0) }) } + written

    private static let images: [(String, TestImage)] = [
        ("a wrong diffID", changed { $0.diffIDs = ["sha256:" + String(repeating: "0", count: 64)] }),
        ("a wrong layer digest", changed { $0.layerDigests = [String(repeating: "1", count: 64)] }),
        ("a wrong layer size", changed { $0.layerSizes = [7] }),
        ("a negative layer size", changed { $0.layerSizes = [-1] }),
        ("more diffIDs than layers", changed { $0.diffIDs = [digest, digest] }),
        ("a diffID that is a path", changed { $0.diffIDs = ["sha256:../../../../../../etc/passwd"] }),
        ("a diffID of another algorithm", changed { $0.diffIDs = ["sha512:" + String(repeating: "0", count: 128)] }),
        (
            "an encrypted layer",
            changed {
                $0.layerMediaTypes = ["application/vnd.oci.image.layer.v1.tar+gzip+encrypted"]
            }
        ),
        ("a layer that is a text", changed { $0.layerMediaTypes = ["text/plain"] }),
        (
            "a chart instead of an image",
            changed {
                $0.configurationMediaType = "application/vnd.cncf.helm.config.v1+json"
            }
        ),
        (
            "the manifest of schema 1",
            changed {
                $0.manifestMediaType = "application/vnd.docker.distribution.manifest.v1+json"
            }
        ),
        ("schema version 1", changed { $0.schemaVersion = 1 }),
        ("another architecture", changed { $0.platform = #""architecture":"s390x","os":"linux""# }),
        ("another system", changed { $0.platform = #""architecture":"amd64","os":"windows""# }),
        ("a NUL in the environment", changed { $0.configuration = #""Env":["A=b\u0000c"]"# }),
        ("a NUL in the entrypoint", changed { $0.configuration = #""Entrypoint":["/bin/\u0000app"]"# }),
        ("a variable without a name", changed { $0.configuration = #""Env":["=value"]"# }),
        (
            "an entrypoint of a megabyte",
            changed {
                $0.configuration = #""Entrypoint":["\#(String(repeating: "x", count: 1 << 20))"]"#
            }
        ),
        (
            "ten thousand arguments",
            changed {
                $0.configuration = "\"Cmd\":[\([String](repeating: "\"x\"", count: 10_000).joined(separator: ","))]"
            }
        ),
        ("a user that is not in the image", changed { $0.configuration = #""User":"nobody-knows""# }),
        ("a group that is not in the image", changed { $0.configuration = #""User":"0:nobody-knows""# }),
        ("a port that is no number", changed { $0.configuration = #""ExposedPorts":{"http/tcp":{}}"# }),
        ("a port beyond 65535", changed { $0.configuration = #""ExposedPorts":{"70000/tcp":{}}"# }),
        ("a signal that does not exist", changed { $0.configuration = #""StopSignal":"SIGNOTHING""# }),
        (
            "a working directory of 5000 bytes",
            changed {
                $0.configuration = #""WorkingDir":"/\#(String(repeating: "x", count: 5000))""#
            }
        ),
        ("a list where a text belongs", changed { $0.configuration = #""User":["root"]"# }),
    ]

    private static let written: [(String, Writer)] = [
        (
            "a missing layer",
            { folder in
                try honest.writeLayout(folder)
                try Files.remove(folder.appending("blobs/sha256/" + SHA256.hash(honest.layers[0])))
            }
        ),
        (
            "an index that is no JSON",
            { folder in
                try honest.writeLayout(folder)
                try AtomicFile.write(Array("{".utf8), to: folder.appending("index.json"))
            }
        ),
        (
            "an index of brackets",
            { folder in
                try honest.writeLayout(folder)
                try AtomicFile.write([UInt8](repeating: 0x5b, count: 1 << 20), to: folder.appending("index.json"))
            }
        ),
        (
            "an index of 20 MiB",
            { folder in
                try honest.writeLayout(folder)
                try AtomicFile.write([UInt8](repeating: 0x20, count: 20 << 20), to: folder.appending("index.json"))
            }
        ),
        (
            "an index without images",
            { folder in
                try honest.writeLayout(folder)
                try TestImage.writeIndex(folder, [])
            }
        ),
        (
            "an index that names itself",
            { folder in
                try Files.makeDirectory(folder.appending("blobs/sha256"))
                let body = #"{"schemaVersion":2,"manifests":[\#(descriptor(index, digest, 100))]}"#
                try AtomicFile.write(
                    Array(body.utf8), to: folder.appending("blobs/sha256/" + String(digest.dropFirst(7))))
                try TestImage.writeIndex(folder, [descriptor(index, digest, body.utf8.count)])
            }
        ),
        (
            "indexes nested ten deep",
            { folder in
                var inner = try honest.writeLayout(folder)
                for _ in 0..<10 {
                    let body = #"{"schemaVersion":2,"mediaType":"\#(index)","manifests":[\#(inner)]}"#
                    inner = try TestImage.put(Array(body.utf8), folder, index)
                }
                try TestImage.writeIndex(folder, [inner])
            }
        ),
        (
            "a manifest that is an index as well",
            { folder in
                try honest.writeLayout(folder)
                let body = #"{"schemaVersion":2,"mediaType":"\#(index)","manifests":[],"layers":[]}"#
                try TestImage.writeIndex(folder, [try TestImage.put(Array(body.utf8), folder, index)])
            }
        ),
        (
            "a manifest referred to by another type",
            { folder in
                let manifest = try honest.writeLayout(folder)
                try TestImage.writeIndex(folder, [manifest.replacing("image.manifest.v1", with: "image.index.v1")])
            }
        ),
        (
            "a digest that is a path",
            { folder in
                try honest.writeLayout(folder)
                let path = "sha256:../../../../../../../../../etc/passwd"
                try TestImage.writeIndex(folder, [descriptor("application/vnd.oci.image.manifest.v1+json", path, 100)])
            }
        ),
        (
            "no image for this platform",
            { folder in
                let manifest = try honest.writeLayout(folder)
                let other = manifest.dropLast() + #","platform":{"os":"linux","architecture":"riscv64"}}"#
                try TestImage.writeIndex(folder, [String(other)])
            }
        ),
        (
            "several images and no tag",
            { folder in
                let one = try honest.writeLayout(folder, tag: "one", writesIndex: false)
                let two = try honest.writeLayout(folder, tag: "two", writesIndex: false)
                try TestImage.writeIndex(folder, [one, two])
            }
        ),
        (
            "a FIFO instead of a blob",
            { folder in
                try honest.writeLayout(folder)
                let path = folder.appending("blobs/sha256/" + SHA256.hash(honest.layers[0]))
                try Files.remove(path)
                _ = try run(["mkfifo", path.string])
            }
        ),
    ]

    private static let index = "application/vnd.oci.image.index.v1+json"
    private static let digest = "sha256:" + String(repeating: "a", count: 64)
    static let honest = TestImage([BrokenLayers.sample])

    private static func changed(_ change: (inout TestImage) -> Void) -> TestImage {
        var image = honest
        change(&image)
        return image
    }

    private static func descriptor(_ type: String, _ digest: String, _ size: Int) -> String {
        #"{"mediaType":"\#(type)","digest":"\#(digest)","size":\#(size)}"#
    }
}
