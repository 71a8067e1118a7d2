import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@testable import Images

@Suite struct ArchiveTests {
    private static var image: TestImage {
        var tar = TarBuilder()
        tar.file("x", "content")
        return TestImage([tar, BrokenLayers.sample])
    }

    @Test func `all forms of one image give the same root`() throws {
        try withScratch { scratch in
            let layout = scratch.appending("layout")
            try Self.image.writeLayout(layout)
            let files: [(String, [UInt8])] = [
                ("saved.tar", Self.image.dockerArchive()), ("oci.tar", try archive(of: layout)),
                ("saved.tar.gz", Compression.gzip.apply(Self.image.dockerArchive())),
                ("oci.tar.zst", Compression.zstd.apply(try archive(of: layout))),
            ]
            var hashes: Set<String> = []
            for (name, bytes) in files + [("layout", [])] {
                let path = scratch.appending(name)
                if !bytes.isEmpty { try AtomicFile.write(bytes, to: path) }
                let state = scratch.appending("state-" + name)
                let store = ImageStore(StateDirectory(state), demoApp: [], engines: [])
                let image = try store.resolve(ImageSource(parsing: path.string))
                hashes.insert(try SHA256.hash(file: image.rootfs))
                #expect(try store.leftovers() == [])
            }
            #expect(hashes.count == 1)
        }
    }

    @Test func `one of several images is chosen by its name`() throws {
        var other = Self.image
        other.configuration = #""Cmd":["/other"]"#
        var tar = TarBuilder()
        let entries = [Self.image.addTo(&tar, names: ["app:1", "app:one"]), other.addTo(&tar, names: ["team/app:2"])]
        tar.file("manifest.json", "[\(entries.joined(separator: ","))]")
        try withScratch { scratch in
            let path = scratch.appending("two.tar")
            try AtomicFile.write(tar.finished(), to: path)
            let store = ImageStore.scratch(scratch)
            for tag in ["team/app:2", "2", "docker.io/team/app:2"] {
                let image = try store.resolve(.path(path, tag: tag, .dockerArchive))
                #expect(image.configuration.argv == ["/other"])
            }
            #expect(try store.resolve(.path(path, tag: "app:one", .any)).configuration.argv == ["/bin/app"])
            #expect { try store.resolve(.path(path, tag: "app:3", .any)) } throws: { error in
                if case ImageError.notFound = error { "\(error)".contains("team/app:2") } else { false }
            }
            #expect { try store.resolve(.path(path, tag: nil, .any)) } throws: { error in
                if case ImageError.badData = error { "\(error)".contains("app:one") } else { false }
            }
        }
    }

    @Test func `the variant for this platform is taken from nested indexes`() throws {
        try withScratch { scratch in
            var other = Self.image
            other.platform = #""architecture":"riscv64","os":"linux""#
            let folder = scratch.appending("layout")
            let foreign = try other.writeLayout(folder, tag: nil, writesIndex: false)
            let own = try Self.image.writeLayout(folder, tag: nil, writesIndex: false)
            let platform = { (text: String, name: String) in
                String(text.dropLast()) + #","platform":{"os":"linux","architecture":"\#(name)"}}"#
            }
            let statement = own.dropLast() + #","platform":{"os":"unknown","architecture":"unknown"}}"#
            let type = "application/vnd.oci.image.index.v1+json"
            let list = [String(statement), platform(foreign, "riscv64"), platform(own, Platform.architecture)]
            let inner = #"{"schemaVersion":2,"mediaType":"\#(type)","manifests":[\#(list.joined(separator: ","))]}"#
            try TestImage.writeIndex(folder, [try TestImage.put(Array(inner.utf8), folder, type)])
            #expect(
                try ImageStore.scratch(scratch).resolve(.path(folder, tag: nil, .any)).configuration.argv == [
                    "/bin/app"
                ])
        }
    }

    @Test func `a layer that an archive holds as a link is found`() throws {
        let image = Self.image
        var tar = TarBuilder()
        let json = image.configurationJSON
        tar.file("config.json", json)
        tar.add("one/layer.tar", .file, image.layers[0])
        tar.add("three/layer.tar", .file, image.layers[1])
        tar.link("two/layer.tar", to: "../three/layer.tar")
        tar.file("manifest.json", #"[{"Config":"config.json","Layers":["one/layer.tar","two/layer.tar"]}]"#)
        try withScratch { scratch in
            let path = scratch.appending("linked.tar")
            try AtomicFile.write(tar.finished(), to: path)
            #expect(try ImageStore.scratch(scratch).resolve(.path(path, tag: nil, .any)).name == path.string)
        }
    }

    private static let broken: [(String, [UInt8])] = {
        func tar(_ body: (inout TarBuilder) -> Void) -> [UInt8] {
            var tar = TarBuilder()
            body(&tar)
            return tar.finished()
        }
        let honest = image.dockerArchive()
        return [
            ("empty", []), ("zeros", [UInt8](repeating: 0, count: 4096)), ("text", Array("hello, world".utf8)),
            ("text of a header's length", [UInt8](repeating: 0x41, count: 2048)),
            ("cut short", Array(honest.prefix(honest.count / 2))),
            ("compressed and cut short", Array(Compression.gzip.apply(honest).dropLast(200))),
            ("no manifest", tar { $0.file("x", "x") }),
            ("a manifest that is no JSON", tar { $0.file("manifest.json", "nope") }),
            ("a manifest without images", tar { $0.file("manifest.json", "[]") }),
            (
                "a configuration outside",
                tar { $0.file("manifest.json", #"[{"Config":"../../etc/passwd","Layers":[]}]"#) }
            ),
            (
                "a missing layer",
                tar {
                    $0.file("c.json", image.configurationJSON)
                    $0.file("manifest.json", #"[{"Config":"c.json","Layers":["a","b"]}]"#)
                }
            ),
            (
                "fewer layers than the configuration",
                tar {
                    $0.file("c.json", image.configurationJSON)
                    $0.file("manifest.json", #"[{"Config":"c.json","Layers":[]}]"#)
                }
            ),
            (
                "a configuration under a wrong digest",
                tar {
                    $0.file(String(repeating: "0", count: 64) + ".json", image.configurationJSON)
                    $0.file(
                        "manifest.json",
                        #"[{"Config":"\#(String(repeating: "0", count: 64)).json","Layers":["a","b"]}]"#)
                }
            ),
            (
                "links in a circle",
                tar {
                    $0.link("manifest.json", to: "b")
                    $0.link("b", to: "manifest.json")
                }
            ),
            ("a link to the outside", tar { $0.link("manifest.json", to: "../../../../etc/passwd") }),
        ]
    }()

    @Test(arguments: broken.map(\.0))
    func `a broken archive is refused and leaves nothing behind`(name: String) throws {
        let bytes = try #require(Self.broken.first { $0.0 == name }?.1)
        try withScratch { scratch in
            let path = scratch.appending("broken.tar")
            try AtomicFile.write(bytes, to: path)
            let store = ImageStore.scratch(scratch)
            #expect { try store.resolve(.path(path, tag: nil, .any)) } throws: { error in
                if case ImageError.badData = error { true } else { false }
            }
            #expect(try store.leftovers() == [])
            #expect(try store.roots() == [])
        }
    }

    @Test func `random damage to an archive never does more than fail`() throws {
        let honest = Self.image.dockerArchive()
        let seed = UInt64.random(in: .min ... .max)
        var state = seed
        try withScratch { scratch in
            let path = scratch.appending("fuzzed.tar")
            for round in 0..<150 {
                var bytes = honest
                for _ in 0..<4 {
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    bytes[Int(state >> 20) % bytes.count] = UInt8(truncatingIfNeeded: state >> 56)
                }
                try AtomicFile.write(bytes, to: path)
                let store = ImageStore(StateDirectory(scratch.appending("s\(round)")), demoApp: [], engines: [])
                do {
                    _ = try store.resolve(.path(path, tag: nil, .any))
                } catch {
                    if case ImageError.host = error { Issue.record("seed \(seed), round \(round): \(error)") }
                    #expect(try store.roots() == [], "seed \(seed)")
                }
                #expect(try store.leftovers() == [], "seed \(seed)")
                try Files.removeTree(scratch.appending("s\(round)"))
            }
        }
    }

    @Test func `an archive that cannot be read is an error of the host`() throws {
        try withScratch { scratch in
            let source = ImageSource.path(scratch.appending("gone"), tag: nil, .any)
            #expect { try ImageStore.scratch(scratch).resolve(source) } throws: { error in
                if case ImageError.host(let reason) = error { reason.errno == .noSuchFileOrDirectory } else { false }
            }
            return
        }
    }
}
