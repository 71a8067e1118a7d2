import Glibc
import LinuxHost
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Images

@Suite struct StoreTests {
    private static func writeImage(_ folder: FilePath, content: String = "content") throws -> ImageSource {
        var tar = TarBuilder()
        tar.file("x", content)
        tar.add("y", .file, [UInt8](repeating: 7, count: 300_000))
        try TestImage([tar], .gzip).writeLayout(folder)
        return .path(folder, tag: nil, .any)
    }

    @Test func `two stores give the same bytes, readable by everybody who gets at them`() throws {
        try withScratch { scratch in
            let source = try Self.writeImage(scratch.appending("layout"))
            let one = try ImageStore.scratch(scratch.appending("a")).resolve(source)
            let two = try ImageStore.scratch(scratch.appending("b")).resolve(source)
            #expect(try SHA256.hash(file: one.rootfs) == SHA256.hash(file: two.rootfs))
            #expect(one.rootfs.lastComponent == two.rootfs.lastComponent)
            let size = try Files.read(one.rootfs, limit: 1 << 30).count
            #expect(UInt64(size) == one.bytes)
            var status = stat()
            #expect(stat(one.rootfs.string, &status) == 0 && status.st_mode & 0o7777 == 0o444)
        }
    }

    @Test func `the demo is a complete image with its program and its port`() throws {
        try withScratch { scratch in
            let image = try ImageStore.scratch(scratch).resolve(.demo)
            #expect(image.name == "demo")
            #expect(image.configuration.argv == ["/demo"])
            #expect(image.configuration.exposedPorts == [3000])
            let tree = try Ext4Tree(image.rootfs).entries
            #expect(tree["/demo"]?.mode == 0o100755)
            #expect(tree["/tmp"]?.mode == 0o41777)
            #expect(tree["/etc/passwd"] != nil && tree["/etc/group"] != nil && tree["/etc/hostname"] != nil)
            let none = ImageStore(StateDirectory(scratch.appending("other")), demoApp: [], engines: [])
            #expect(throws: ImageError.self) { try none.resolve(.demo) }
        }
    }

    @Test func `an image that is there is not built again, and another content is another root`() throws {
        try withScratch { scratch in
            let store = ImageStore.scratch(scratch)
            let folder = scratch.appending("layout")
            let first = try store.resolve(try Self.writeImage(folder))
            var reports: [ImageProgress] = []
            #expect(try store.resolve(.path(folder, tag: nil, .any)) { reports.append($0) } == first)
            #expect(reports == [])
            let second = try store.resolve(try Self.writeImage(folder, content: "built again"))
            #expect(second.rootfs != first.rootfs)
            #expect(Files.exists(first.rootfs))
            // The tag in a layout is no name of an image.
            #expect(second.name == folder.string)
        }
    }

    @Test func `a name is remembered from the archive that brought it`() throws {
        try withScratch { scratch in
            let path = scratch.appending("app.tar")
            try AtomicFile.write(TestImage([BrokenLayers.sample]).dockerArchive(names: ["team/app:3"]), to: path)
            let store = ImageStore.scratch(scratch)
            let image = try store.resolve(.path(path, tag: nil, .any))
            let name = try #require(ImageReference("docker.io/team/app:3"))
            #expect(try store.resolve(.name(name)).rootfs == image.rootfs)
            #expect { try store.resolve(.name(try #require(ImageReference("team/app:4")))) } throws: { error in
                if case ImageError.notFound = error { "\(error)".contains("docker-archive:FILE") } else { false }
            }
        }
    }

    @Test func `a compressed archive is only unpacked when it changes`() throws {
        try withScratch { scratch in
            let path = scratch.appending("app.tar.gz")
            let bytes = Compression.gzip.apply(TestImage([BrokenLayers.sample]).dockerArchive())
            try AtomicFile.write(bytes, to: path)
            let store = ImageStore.scratch(scratch)
            let first = try store.resolve(.path(path, tag: nil, .any))
            // The same size and times over a damaged content: only the memory of the file can answer now.
            let file = try Files.open(path, O_WRONLY)
            #expect(try store.resolve(.path(path, tag: nil, .any)) == first)
            _ = bytes.reversed().withContiguousStorageIfAvailable { pwrite(file.rawValue, $0.baseAddress, 64, 100) }
            pwrite(file.rawValue, "damage", 6, 40)
            #expect(throws: ImageError.self) { try store.resolve(.path(path, tag: nil, .any)) }
            #expect(try store.leftovers() == [])
        }
    }

    @Test func `of many who want one image at once a single one builds it`() throws {
        try withScratch { scratch in
            let source = try Self.writeImage(scratch.appending("layout"))
            let builds = Mutex(0)
            let roots = Mutex<Set<FilePath>>([])
            Threads.run(8) {
                // Each with a store of its own, as in processes of their own: locks belong to open files.
                let image = try? ImageStore.scratch(scratch).resolve(source) {
                    if $0 == .finishing { builds.withLock { $0 += 1 } }
                }
                _ = roots.withLock { $0.insert(image?.rootfs ?? "failed") }
            }
            #expect(builds.withLock { $0 } == 1)
            #expect(roots.withLock { $0.count } == 1)
            #expect(roots.withLock { !$0.contains("failed") })
        }
    }

    @Test func `whoever waits is told so and takes over when the builder dies`() throws {
        try withScratch { scratch in
            let source = try Self.writeImage(scratch.appending("layout"))
            let store = ImageStore.scratch(scratch)
            let image = try store.resolve(source)
            let key = try #require(RootKey(image.rootfs.stem ?? ""))
            try Files.remove(image.rootfs)
            let held = Mutex<FileLock?>(try FileLock(waitingFor: store.paths.lock(key)))
            // A file as a killed builder leaves it.
            try AtomicFile.write([1, 2, 3], to: store.paths.building(key))
            var waited = false
            let again = try store.resolve(source) {
                guard $0 == .waiting else { return }
                waited = true
                held.withLock { $0 = nil }
            }
            #expect(waited && again == image)
            #expect(try store.leftovers() == [])
        }
    }

    @Test func `a root has its lock until it is there, also where the build is optimised`() throws {
        try withScratch { scratch in
            let store = ImageStore.scratch(scratch)
            let isFree = {
                let names = try Files.list(store.paths.state.locks).filter { RootKey(String($0.dropFirst(6))) != nil }
                let name = try #require(names.first)
                return try FileLock.tryLock(store.paths.state.locks.appending(name)) != nil
            }
            var wasFree: [Bool] = []
            _ = try store.resolve(.demo) { _ in wasFree.append((try? isFree()) ?? true) }
            #expect(!wasFree.isEmpty && !wasFree.contains(true))
            #expect(try isFree())
        }
    }

    @Test func `the sweep takes what killed processes left and nothing that is in use`() throws {
        try withScratch { scratch in
            let store = ImageStore.scratch(scratch)
            let image = try store.resolve(.demo)
            let (dead, alive) = (String(repeating: "d", count: 64), String(repeating: "a", count: 64))
            let key = try #require(RootKey(alive))
            let mine = ["foreign.txt", ".hidden", "names"]
            for name in [
                ".\(dead).building", ".\(dead).json.12.34.tmp", "\(dead).json", ".spool.7", ".\(alive).building",
                mine[0], mine[1],
            ] {
                try AtomicFile.write([1], to: store.paths.folder.appending(name))
            }
            try AtomicFile.write([1], to: store.paths.names.appending(".x.json.1.2.tmp"))
            let lock = try FileLock(waitingFor: store.paths.lock(key))
            try store.sweep()
            _ = consume lock
            let left = Set(try Files.list(store.paths.folder))
            let finished = image.rootfs.stem ?? ""
            #expect(left == Set(mine + [".\(alive).building", finished + ".ext4", finished + ".json"]))
            #expect(try Files.list(store.paths.names) == [])
        }
    }

    @Test(.enabled(if: Tools.isRoot, "needs root to mount a small tmpfs"))
    func `a full disk is an error of the host, and gives back what was taken`() throws {
        try withScratch { scratch in
            let small = scratch.appending("small")
            try Files.makeDirectory(small)
            guard mount("tmpfs", small.string, "tmpfs", 0, "size=2m") == 0 else {
                throw HostError("mount", small.string, Errno(rawValue: errno))
            }
            defer { umount(small.string) }
            var tar = TarBuilder()
            tar.add("large", .file, TarBuilder.pattern(6_000_000))
            try TestImage([tar], .plain).writeLayout(scratch.appending("layout"))
            let store = ImageStore(StateDirectory(small.appending("state")), demoApp: Array("app".utf8), engines: [])
            #expect { try store.resolve(.path(scratch.appending("layout"), tag: nil, .any)) } throws: { error in
                guard case ImageError.host(let reason) = error else { return false }
                return reason.errno == .noSpace && "\(error)".contains("free some space")
            }
            #expect(try store.leftovers() == [])
            #expect(try store.resolve(.demo).name == "demo")
        }
    }
}

/// Plain threads: the calls under test block, which tasks must not.
enum Threads {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    static func run(_ count: Int, _ body: @escaping @Sendable () -> Void) {
        var threads: [pthread_t] = []
        for _ in 0..<count {
            var thread = pthread_t()
            let work = Unmanaged.passRetained(Work(body)).toOpaque()
            pthread_create(
                &thread, nil,
                { context in
                    guard let context else { return nil }
                    Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
                    return nil
                }, work)
            threads.append(thread)
        }
        for thread in threads { pthread_join(thread, nil) }
    }
}
