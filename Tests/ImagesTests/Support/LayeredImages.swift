/// Images whose layers do to one another what real ones do; each is built, unpacked by umoci and compared.
enum LayeredImages {
    static let all: [(name: String, image: TestImage)] = [
        ("whiteouts", whiteouts), ("opaque", opaque), ("hard links", hardLinks), ("long names", longNames),
        ("attributes", attributes), ("many files", manyFiles), ("kinds change", kindsChange), ("devices", devices),
        ("sparse and large", large), ("symbolic parents", symbolicParents), ("owners and times", ownersAndTimes),
        ("empty layers", emptyLayers),
    ]

    static func layer(_ body: (inout TarBuilder) -> Void) -> TarBuilder {
        var tar = TarBuilder()
        tar.folder("./")
        body(&tar)
        return tar
    }

    static let whiteouts = TestImage(
        [
            layer {
                for folder in ["a/", "a/b/", "a/b/c/", "keep/"] { $0.folder(folder) }
                for file in ["a/1", "a/2", "a/b/3", "a/b/c/4", "keep/5", "keep/6"] { $0.file(file, "lower \(file)") }
            },
            layer {
                $0.folder("a/")
                $0.whiteout("a/.wh.1")
                $0.whiteout("a/.wh.missing")
                $0.folder("keep/")
                $0.whiteout("keep/.wh.5")
                // Whiteouts hide what is below, not what this layer adds, whichever comes first.
                $0.file("keep/5", "made again")
                $0.file("keep/7", "new")
                $0.whiteout("keep/.wh.7")
            },
            layer {
                $0.folder("a/")
                $0.whiteout("a/.wh.b")
                $0.file("z", "z")
            },
            layer {
                $0.folder("a/b/")
                $0.file("a/b/3", "a new folder of the same name")
                $0.whiteout(".wh.z")
            },
        ], .gzip)

    static let opaque = TestImage(
        [
            layer {
                for folder in ["d/", "d/sub/", "e/", "e/sub/"] { $0.folder(folder) }
                for file in ["d/1", "d/2", "d/sub/3", "e/1", "e/sub/2"] { $0.file(file, "lower") }
            },
            layer {
                $0.folder("d/") { $0.mode = 0o700 }
                $0.whiteout("d/.wh..wh..opq")
                $0.file("d/2", "upper")
                $0.folder("d/sub/")
                $0.file("d/sub/new", "upper")
            },
            layer {
                // The marker last: what the same layer has put there before stays.
                $0.folder("e/")
                $0.folder("e/sub/")
                $0.file("e/sub/new", "upper")
                $0.whiteout("e/.wh..wh..opq")
                // Sets its time again: umoci leaves it at now when it removes something inside.
                $0.folder("e/sub/")
            },
        ], .zstd)

    static let hardLinks = TestImage(
        [
            layer {
                $0.folder("bin/")
                $0.file("bin/tool", "tool content") { $0.mode = 0o4755 }
                $0.link("bin/alias", to: "bin/tool", .hardLink)
                $0.file("bin/other", "other")
                $0.link("bin/soft", to: "tool")
            },
            layer {
                $0.link("across", to: "bin/tool", .hardLink)
                $0.link("bin/again", to: "bin/other", .hardLink)
            },
            layer {
                // One name is replaced, the others keep the old file.
                $0.folder("bin/")
                $0.file("bin/tool", "a new tool") { $0.mode = 0o755 }
                $0.whiteout("bin/.wh.other")
            },
            layer { $0.link("third", to: "bin/again", .hardLink) },
        ], .gzip)

    static let longNames = TestImage(
        [
            layer {
                let long = String(repeating: "n", count: 255)
                $0.folder("long/")
                $0.file("long/" + long, "255 bytes of name")
                var path = "deep/"
                for level in 0..<40 {
                    $0.folder(path)
                    path += "level-\(level)-\(String(repeating: "x", count: 50))/"
                }
                $0.file("long/grüße-日本語", "names beyond ASCII")
                $0.file("long/ with  spaces\t", "spaces")
                $0.link("long/link59", to: String(repeating: "t", count: 59))
                $0.link("long/link60", to: String(repeating: "t", count: 60))
                $0.link("long/link61", to: String(repeating: "t", count: 61))
                $0.link("long/link900", to: String(repeating: "t/", count: 450))
            }
        ], .zstd)

    static let attributes = TestImage(
        [
            layer {
                let capability: [UInt8] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
                $0.file("ping", "ping") {
                    $0.mode = 0o755
                    $0.records = [("SCHILY.xattr.security.capability", capability)]
                }
                $0.folder("marked/") { $0.records = [("SCHILY.xattr.user.color", Array("blue".utf8))] }
                $0.file("large", "") {
                    $0.records = [("SCHILY.xattr.user.block", [UInt8](repeating: 0x41, count: 1500))]
                }
                $0.file("several", "") {
                    $0.records = [
                        ("SCHILY.xattr.user.b", Array("2".utf8)), ("SCHILY.xattr.user.a", Array("1".utf8)),
                        ("SCHILY.xattr.user.empty", []),
                        ("SCHILY.xattr.trusted.binary", [0, 1, 10, 61, 255]),
                    ]
                }
            },
            layer {
                $0.file("large", "replaced, and its attribute with it")
                $0.folder("marked/") { $0.records = [("SCHILY.xattr.user.shape", Array("round".utf8))] }
            },
        ], .plain)
}
