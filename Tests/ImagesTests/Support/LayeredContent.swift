/// Content rather than layering: many files, large ones, odd kinds, owners and times.
extension LayeredImages {
    static let manyFiles = TestImage(
        [
            layer {
                $0.folder("many/")
                for index in 0..<5000 { $0.file("many/file-with-a-rather-long-name-\(index)", "content \(index)") }
                for index in 0..<300 { $0.folder("many/folder\(index)/") }
            },
            layer {
                $0.folder("many/")
                for index in stride(from: 0, to: 5000, by: 7) {
                    $0.whiteout("many/.wh.file-with-a-rather-long-name-\(index)")
                }
            },
        ], .gzip)

    static let kindsChange = TestImage(
        [
            layer {
                $0.folder("folder/")
                $0.file("folder/inside", "inside")
                $0.file("file", "file")
                $0.link("link", to: "folder")
                $0.file("twice", "first")
            },
            layer {
                $0.file("folder", "was a folder")
                $0.folder("file/")
                $0.file("file/inside", "was a file")
                $0.file("link", "was a link")
                $0.link("twice", to: "file")
                $0.file("new", "first of two entries")
                $0.file("new", "second of two entries")
            },
        ], .gzip)

    static let devices = TestImage(
        [
            layer {
                $0.folder("dev/")
                $0.add("dev/null", .characterDevice) {
                    $0.mode = 0o666
                    $0.device = (1, 3)
                }
                $0.add("dev/disk", .blockDevice) {
                    $0.mode = 0o660
                    $0.device = (259, 300)
                }
                $0.add("pipe", .fifo) { $0.mode = 0o600 }
                $0.file("suid", "suid") { $0.mode = 0o6755 }
                $0.folder("tmp/") { $0.mode = 0o1777 }
            }
        ], .plain)

    static let large = TestImage(
        [
            layer {
                $0.add("megabytes", .file, TarBuilder.pattern(9_000_001))
                $0.add("zeros", .file, [UInt8](repeating: 0, count: 3_000_000))
                $0.add("empty")
                for size in [1, 4095, 4096, 4097, 8192, 1 << 20] {
                    $0.add("size-\(size)", .file, [UInt8](repeating: 0x61, count: size))
                }
                // GNU's PAX form of a sparse file, version 1.0: a map of two pieces, then the pieces.
                let map = Array("2\n8192\n5\n100000\n7\n".utf8)
                let padded = map + [UInt8](repeating: 0, count: 512 - map.count)
                $0.add("GNUSparseFile.0/sparse", .file, padded + Array("firstsecond!".utf8)) {
                    $0.records = [
                        ("GNU.sparse.major", Array("1".utf8)), ("GNU.sparse.minor", Array("0".utf8)),
                        ("GNU.sparse.name", Array("sparse".utf8)), ("GNU.sparse.realsize", Array("120000".utf8)),
                    ]
                }
            }
        ], .zstd)

    static let symbolicParents = TestImage(
        [
            layer {
                $0.folder("usr/")
                $0.folder("usr/lib/")
                $0.folder("usr/lib64/")
                $0.link("lib", to: "usr/lib")
                $0.link("lib64", to: "/usr/lib64")
                $0.link("usr/loop", to: "../usr")
            },
            layer {
                $0.file("lib/a.so", "through a relative link")
                $0.file("lib64/b.so", "through an absolute link")
                $0.file("usr/loop/c", "through a link with ..")
                $0.folder("lib/sub/")
                $0.link("hard", to: "lib/a.so", .hardLink)
            },
        ], .gzip)

    static let ownersAndTimes = TestImage(
        [
            layer {
                $0.file("owned", "x") {
                    ($0.user, $0.group, $0.mode) = (1000, 2000, 0o640)
                }
                $0.file("far", "x") {
                    $0.records = [("uid", Array("3000000".utf8)), ("gid", Array("4000000".utf8))]
                }
                $0.file("precise", "x") { $0.records = [("mtime", Array("1600000000.123456789".utf8))] }
                $0.file("beyond 2038", "x") { $0.records = [("mtime", Array("5000000000".utf8))] }
                $0.file("before 1970", "x") { $0.records = [("mtime", Array("-1000".utf8))] }
                $0.folder("dir/") {
                    ($0.user, $0.group, $0.mode, $0.time) = (33, 44, 0o2750, 1_500_000_000)
                }
                $0.file("dir/later", "a file inside leaves the time of the folder alone")
                $0.link("soft", to: "owned")
                $0.file("none", "x") { $0.mode = 0 }
            }
        ], .gzip)

    static let emptyLayers: TestImage = {
        var image = TestImage([TarBuilder(), layer { $0.file("only", "one") }, TarBuilder()], .gzip)
        image.compressions = [.plain, .zstd, .gzip]
        return image
    }()
}
