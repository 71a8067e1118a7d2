import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@testable import Images

@Suite(.enabled(if: Tools.isRoot && Tools.has("umoci"), "needs root and umoci"))
struct DifferentialTests {
    @Test(arguments: LayeredImages.all.map(\.name))
    func `the tree inside the root is the one that umoci unpacks`(name: String) throws {
        let image = try #require(LayeredImages.all.first { $0.name == name }?.image)
        try withScratch { scratch in
            let layout = scratch.appending("layout")
            try image.writeLayout(layout)
            // Debian's umoci does not know zstd: it gets the same layers in gzip.
            let twin = scratch.appending("twin")
            var plainer = image
            plainer.compressions = image.compressions.map { $0 == .zstd ? .gzip : $0 }
            try plainer.writeLayout(twin)
            let bundle = scratch.appending("bundle")
            let unpacked = try run(["umoci", "unpack", "--image", "\(twin.string):latest", bundle.string])
            try #require(unpacked.status == 0, "umoci: \(unpacked.output)")
            let root = try ImageStore.scratch(scratch).resolve(.path(layout, tag: nil, .ociLayout)).rootfs
            let expected = try HostTree(bundle.appending("rootfs")).entries
            let found = try Ext4Tree(root).entries
            #expect(expected.keys.sorted() == found.keys.sorted())
            let differences = expected.filter { found[$0.key] != $0.value }.map { path, entry in
                "\(path): umoci \(entry), here \(found[path]?.description ?? "missing")"
            }
            #expect(differences.sorted() == [])
            let check = try run(["e2fsck", "-fn", root.string])
            #expect(check.status == 0, "\(check.output)")
        }
    }
}
