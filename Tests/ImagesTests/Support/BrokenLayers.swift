/// Layers that no honest tool writes, or that did not survive their transport.
enum BrokenLayers {
    static let all: [(name: String, image: TestImage)] = [
        ("dots in front", tar { $0.file("../canary", "owned") }),
        ("dots inside", tar { $0.file("a/../../canary", "owned") }),
        (
            "a file through a link that leaves",
            tar {
                $0.link("out", to: "../../..")
                $0.file("out/canary", "owned")
            }
        ),
        (
            "a file through a link that leads nowhere",
            tar {
                $0.link("out", to: "/not/there")
                $0.file("out/canary", "owned")
            }
        ),
        (
            "links in a circle",
            tar {
                $0.link("a", to: "b")
                $0.link("b", to: "a")
                $0.file("a/x", "x")
            }
        ),
        ("a hard link that leaves", tar { $0.link("x", to: "../canary", .hardLink) }),
        ("a hard link to an absolute path", tar { $0.link("x", to: "/etc/passwd", .hardLink) }),
        ("a hard link to nothing", tar { $0.link("x", to: "missing", .hardLink) }),
        (
            "a hard link to a folder",
            tar {
                $0.folder("d/")
                $0.link("x", to: "d", .hardLink)
            }
        ),
        (
            "a whiteout through a link",
            tar {
                $0.folder("real/")
                $0.file("real/x", "x")
                $0.link("link", to: "real")
                $0.whiteout("link/.wh.x")
            }
        ),
        ("a whiteout of the parent", tar { $0.whiteout("a/.wh...") }),
        ("a whiteout of the folder itself", tar { $0.whiteout("a/.wh..") }),
        ("a whiteout of nothing", tar { $0.whiteout("a/.wh.") }),
        ("an entry below a whiteout", tar { $0.file("a/.wh.b/c", "x") }),
        (
            "a file as a folder",
            tar {
                $0.file("f", "x")
                $0.file("f/x", "x")
            }
        ),
        ("the root as a link", tar { $0.link("./", to: "/etc") }),
        ("300 folders deep", tar { $0.file(String(repeating: "d/", count: 300) + "x", "x") }),
        (
            "folders piled up through links",
            tar {
                let path = String(repeating: "d/", count: 200)
                $0.file(path + "x", "x")
                $0.link("one", to: path)
                $0.file("one/" + path + "x", "x")
            }
        ),
        ("a name of 256 bytes", tar { $0.file(String(repeating: "n", count: 256), "x") }),
        ("a path of 5000 bytes", tar { $0.file(String(repeating: "0123456789/", count: 500) + "x", "x") }),
        ("a link of 5000 bytes", tar { $0.link("l", to: String(repeating: "t", count: 5000)) }),
        (
            "an attribute of 9000 bytes",
            tar {
                $0.file("x", "x") { $0.records = [("SCHILY.xattr.user.a", [UInt8](repeating: 0x41, count: 9000))] }
            }
        ),
        ("a device that Linux does not have", tar { $0.add("dev", .blockDevice) { $0.device = (8191, 1) } }),
        (
            "an owner that Linux does not have",
            tar {
                $0.file("x", "x") { $0.records = [("uid", Array("99999999999".utf8))] }
            }
        ),
        (
            "a header with a wrong sum",
            tar {
                $0.file("good", "x")
                $0.file("bad", "x") { $0.breaksChecksum = true }
            }
        ),
        ("a size beyond the end", tar { $0.file("x", "short") { $0.size = 1 << 30 } }),
        (
            "a size beyond every disk",
            tar {
                $0.file("x", "short") { $0.records = [("size", Array("1152921504606846976".utf8))] }
            }
        ),
        (
            "a sparse file beyond every disk",
            tar {
                $0.add("GNUSparseFile.0/s", .file, Array("0\n".utf8) + [UInt8](repeating: 0, count: 510)) {
                    $0.records = [
                        ("GNU.sparse.major", Array("1".utf8)), ("GNU.sparse.minor", Array("0".utf8)),
                        ("GNU.sparse.name", Array("s".utf8)),
                        ("GNU.sparse.realsize", Array("1152921504606846976".utf8)),
                    ]
                }
            }
        ),
        ("no tar at all", TestImage(tar: Array("this is a text, and not a tar archive of any kind\n".utf8))),
        ("half a tar", TestImage(tar: Array(sample.finished().prefix(700)))),
        ("gzip cut short", damaged(.gzip) { $0.removeLast($0.count / 2) }),
        ("zstd cut short", damaged(.zstd) { $0.removeLast($0.count / 2) }),
        ("a flipped bit in gzip", damaged(.gzip) { $0[$0.count / 2] ^= 1 }),
        ("a flipped bit in a plain tar", damaged(.plain) { $0[600] ^= 1 }),
        ("another layer of the same length", damaged(.plain) { $0[530] = 0x7a }),
        ("an empty layer that should not be", damaged(.plain) { $0 = [] }),
    ]

    static var sample: TarBuilder {
        var tar = TarBuilder()
        tar.add("x", .file, (0..<20_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 5) })
        return tar
    }

    private static func tar(_ body: (inout TarBuilder) -> Void) -> TestImage {
        var tar = TarBuilder()
        body(&tar)
        return TestImage([tar], .gzip)
    }

    private static func damaged(_ compression: Compression, _ damage: @escaping @Sendable (inout [UInt8]) -> Void)
        -> TestImage
    {
        var image = TestImage([sample], compression)
        let size = compression.apply(sample.finished()).count
        // The size in the manifest is that of what is on disk, so that only the content can give it away.
        image.corrupt = { damage(&$0[0]) }
        var stored = compression.apply(sample.finished())
        damage(&stored)
        image.layerSizes = [stored.count]
        precondition(size > 0)
        return image
    }
}
