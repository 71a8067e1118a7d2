import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@testable import GuestBoot

@Suite struct GuestKernelTests {
    @Test func `a file of the user's own is used as it is, before everything else`() throws {
        try withScratch { folder in
            let own = folder.appending("vmlinux")
            try AtomicFile.write(FakeKernel.elf, to: own)
            let state = StateDirectory(folder.appending("state"))
            let missing = ["FCCTL_KERNEL": "/nowhere/vmlinux"]
            let first = try locate(explicit: own, environment: missing, state: state)
            #expect(first.image == own && first.modules.isEmpty)
            let second = try locate(environment: ["FCCTL_KERNEL": own.string], state: state)
            #expect(second == first)
            #expect(!Files.exists(state.root))
        }
    }

    @Test func `what is no kernel is refused by name`() throws {
        try withScratch { folder in
            let path = folder.appending("file")
            let state = StateDirectory(folder.appending("state"))
            var other = FakeKernel.elf
            other[18] = 0xb7
            let cases: [([UInt8], String)] = [
                ([], "not an ELF"), (Array("#!/bin/sh\n".utf8), "not an ELF"), (other, "another machine"),
                (try FakeKernel.bzImage(filter: "gzip"), "compressed bzImage"),
                (FakeKernel.elf(kind: 3, segments: [(1, [])]), "a program or library of Linux"),
                (FakeKernel.elf(segments: [(1, []), (3, [])]), "a program or library of Linux"),
                (FakeKernel.elf(segments: [(1, []), (7, [])]), "a program or library of Linux"),
                (FakeKernel.elf(segments: []), "nothing to load"),
                (try Files.read("/bin/sh"), "a program or library of Linux"),
            ]
            for (bytes, reason) in cases {
                try AtomicFile.write(bytes, to: path)
                let error = #expect(throws: GuestBootError.self) { try locate(explicit: path, state: state) }
                #expect(error?.description.contains(reason) == true)
                #expect(error?.description.contains(path.string) == true)
            }
            let error = #expect(throws: GuestBootError.self) { try locate(explicit: "/nowhere/vmlinux", state: state) }
            #expect(error?.description == "open /nowhere/vmlinux: No such file or directory")
        }
    }

    @Test func `only a kernel with a PVH entry is one for QEMU`() throws {
        try withScratch { folder in
            let path = folder.appending("vmlinux")
            let state = StateDirectory(folder.appending("state"))
            let other: [UInt8] = [4, 0, 0, 0, 3, 0, 0, 0, 6, 0, 0, 0] + Array("Xen\0".utf8) + [1, 2, 3, 0]
            for (notes, isOne) in [(other + FakeKernel.pvhNote, true), (other, false), ([], false)] {
                try AtomicFile.write(FakeKernel.elf(segments: [(1, []), (4, notes)]), to: path)
                let kernel = try locate(explicit: path, state: state)
                if isOne {
                    try kernel.requirePVHEntry()
                } else {
                    let error = #expect(throws: GuestBootError.self) { try kernel.requirePVHEntry() }
                    #expect(error?.description.contains("no PVH entry") == true)
                }
            }
        }
    }

    @Test func `the pinned download is stored once and found again without a network`() throws {
        try withScratch { folder in
            let state = StateDirectory(folder)
            let server = try FileServer(.file(FakeKernel.elf))
            let first = try locate(state: state, server: server)
            #expect(try Files.read(first.image) == FakeKernel.elf)
            #expect(first.digest == SHA256.hash(FakeKernel.elf))
            let second = try locate(state: state)
            #expect(second == first)
            #expect(try Files.list(state.kernels) == ["pinned"])
        }
    }

    @Test(arguments: [
        (FileServer.Behaviour.file([1, 2, 3]), "expected"), (.status(404), "404"), (.reset, "cannot fetch"),
        (.short(FakeKernel.elf), "cannot fetch"),
    ])
    func `a download that fails is named and leaves nothing behind`(
        _ behaviour: FileServer.Behaviour, _ reason: String
    ) throws {
        try withScratch { folder in
            let state = StateDirectory(folder)
            let server = try FileServer(behaviour)
            var told: [String] = []
            let error = #expect(throws: GuestBootError.self) {
                try locate(state: state, server: server) { told.append($0) }
            }
            #expect(error?.description.contains(reason) == true)
            #expect(told.contains { $0.contains(reason) })
            #expect(error?.description.contains("--kernel") == true)
            #expect(try Files.list(state.kernels) == [])
        }
    }

    @Test func `a stored kernel that is damaged is made again`() throws {
        try withScratch { folder in
            let state = StateDirectory(folder)
            let server = try FileServer(.file(FakeKernel.elf))
            let first = try locate(state: state, server: server)
            try AtomicFile.write(FakeKernel.elf.dropLast(), to: first.image)
            #expect(throws: GuestBootError.self) { try locate(state: state) }
            let again = try locate(state: state, server: server)
            #expect(try Files.read(again.image) == FakeKernel.elf)
        }
    }

    @Test func `two at once fetch the package once`() async throws {
        let folder = FilePath("/tmp/fcctl-test-\(UInt64.random(in: .min ... .max))")
        defer { try? Files.removeTree(folder) }  // a leftover folder must not turn a test red
        let state = StateDirectory(folder)
        let boot = folder.appending("boot")
        try Files.makeDirectory(boot)
        let bytes = try FakeKernel.bzImage(filter: "gzip")
        let fetches = folder.appending("fetches")
        let distribution = DistributionKernel(boot: boot, modules: boot, package: "kernel") {
            (_, target) throws(GuestBootError) in
            do throws(HostError) {
                try AtomicFile.write((try? Files.read(fetches)) ?? [] + [1], to: fetches)  // absent the first time
                try AtomicFile.write(try Files.read(boot.appending("deb")), to: target.appending("kernel.deb"))
            } catch { throw .host(error) }
            return target.appending("kernel.deb")
        }
        try AtomicFile.write(try FakeKernel.package(kernel: bytes), to: boot.appending("deb"))
        let found = try await withThrowingTaskGroup(of: GuestKernel.self) { group in
            for _ in 0..<2 {
                group.addTask { try locate(state: state, distribution: distribution) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(found.count == 2 && found[0] == found[1])
        #expect(try Files.read(fetches) == [1])
        #expect(found[0].modules.compactMap { $0.lastComponent?.string } == ["00-virtio_ring.ko", "01-virtio_blk.ko"])
    }

    @Test(.enabled(if: Files.exists("/usr/bin/apt-get"), "needs apt-get"))
    func `the distribution's package gives a kernel with its modules in loading order`() throws {
        try withScratch { folder in
            let state = StateDirectory(folder)
            try state.prepare()
            let kernel = try DistributionKernel(
                boot: folder, modules: folder, package: "linux-image-cloud-amd64", fetch: AptPackage.fetchKernel
            ).unpack(into: state.kernels) { _ in }
            let names = kernel.modules.compactMap { $0.lastComponent?.string.dropFirst(3) }
            let ring = try #require(names.firstIndex(of: "virtio_ring.ko"))
            let virtio = try #require(names.firstIndex(of: "virtio.ko"))
            #expect(ring < virtio)
            #expect(names.contains("overlay.ko") && names.contains("virtio_net.ko") && names.contains("virtio_mmio.ko"))
            #expect(try Files.list(state.kernels).count == 1)
        }
    }

    @Test(.enabled(if: Files.exists("/usr/bin/apt-get"), "needs apt-get"))
    func `a package that the distribution does not have is named`() throws {
        try withScratch { folder in
            let error = #expect(throws: GuestBootError.self) {
                try AptPackage.fetchKernel("linux-image-of-no-distribution", into: folder)
            }
            #expect(error?.description.contains("apt") == true)
        }
    }
}

/// `locate` with nothing of this host in it unless the test says so.
private func locate(
    explicit: FilePath? = nil, environment: [String: String] = [:], state: StateDirectory, server: FileServer? = nil,
    distribution: DistributionKernel? = nil, progress: (String) -> Void = { _ in }
) throws(GuestBootError) -> GuestKernel {
    let pin = KernelPin(
        name: "pinned", address: "http://127.0.0.1:1/path/vmlinux-1", sha256: SHA256.hash(FakeKernel.elf))
    let none = DistributionKernel(boot: "/nowhere", modules: "/nowhere", package: "none") {
        (package, _) throws(GuestBootError) in throw .unreadable("the package \(package)", reason: "there is none")
    }
    return try GuestKernel.locate(
        explicit: explicit, environment: environment, state: state,
        assetsURL: server.map { "http://127.0.0.1:\($0.port)/assets" }, pin: pin, distribution: distribution ?? none,
        progress: progress)
}
