import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@testable import Images

@Suite struct BrokenImageTests {
    @Test(arguments: BrokenLayers.all.map(\.name))
    func `a broken layer is refused and leaves nothing behind`(name: String) throws {
        let image = try #require(BrokenLayers.all.first { $0.name == name }?.image)
        try refuse { try image.writeLayout($0) }
    }

    @Test(arguments: BrokenDocuments.all.map(\.name))
    func `a broken document is refused and leaves nothing behind`(name: String) throws {
        let write = try #require(BrokenDocuments.all.first { $0.name == name }?.write)
        try refuse(write)
    }

    @Test(arguments: ["gzip", "zstd"])
    func `a layer that grows beyond all measure is refused`(kind: String) throws {
        var tar = TarBuilder()
        tar.add("zeros", .file, [UInt8](repeating: 0, count: 4 << 20))
        let image = TestImage([tar], try #require(Compression(rawValue: kind)))
        var limits = ImageLimits()
        limits.freeBytes = 1 << 20
        try refuse(limits: limits) { try image.writeLayout($0) }
    }

    @Test func `limits on bytes, entries and layers hold`() throws {
        var tar = TarBuilder()
        for index in 0..<20 { tar.add("file\(index)", .file, [UInt8](repeating: UInt8(index), count: 100_000)) }
        let image = TestImage([tar, tar])
        var limits = ImageLimits()
        limits.bytes = 3_000_000
        try refuse(limits: limits) { try image.writeLayout($0) }
        limits = ImageLimits()
        limits.entries = 30
        try refuse(limits: limits) { try image.writeLayout($0) }
        limits = ImageLimits()
        limits.layers = 1
        try refuse(limits: limits) { try image.writeLayout($0) }
    }

    @Test func `what is odd and harmless stays inside the image`() throws {
        var tar = TarBuilder()
        tar.file("/absolute", "one slash is the root of the image")
        tar.link("etc", to: "/etc")
        tar.link("up", to: "../../../..")
        tar.add("sda", .blockDevice) { $0.device = (8, 0) }
        tar.file("twice", "first")
        tar.file("twice", "second")
        tar.file("suid", "x") { $0.mode = 0o4755 }
        try withScratch { scratch in
            try TestImage([tar]).writeLayout(scratch.appending("layout"))
            let store = ImageStore.scratch(scratch)
            let image = try store.resolve(.path(scratch.appending("layout"), tag: nil, .any))
            let tree = try Ext4Tree(image.rootfs).entries
            #expect(tree["/absolute"]?.size == 34)
            #expect(tree["/twice"]?.hash == SHA256.hash(Array("second".utf8)))
            #expect(tree["/etc"]?.target == "/etc")
            #expect(tree.count == 7)
            #expect(try HostTree(scratch).entries.values.allSatisfy { $0.isDirectory || $0.isFile })
        }
    }

    /// Resolves what `write` makes and expects the error that ends in exit status 65, and a store without a trace.
    private func refuse(limits: ImageLimits = ImageLimits(), _ write: (FilePath) throws -> Void) throws {
        try withScratch { scratch in
            let canary = scratch.appending("canary")
            try AtomicFile.write(Array("canary".utf8), to: canary)
            let layout = scratch.appending("layout")
            try write(layout)
            let store = ImageStore.scratch(scratch, limits: limits)
            do {
                let image = try store.resolve(.path(layout, tag: nil, .ociLayout))
                Issue.record("it was accepted as \(image.rootfs)")
            } catch {
                guard case ImageError.badData = error else {
                    Issue.record("another kind of error: \(error)")
                    return
                }
                #expect("\(error)".contains(layout.string), "the message names the image: \(error)")
            }
            #expect(try store.leftovers() == [])
            #expect(try store.roots() == [])
            #expect(try Files.read(canary) == Array("canary".utf8))
            #expect(try Files.list(scratch) == ["canary", "layout", "state"])
        }
    }
}
