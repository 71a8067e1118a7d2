import LinuxHost
import SystemPackage
import TestSupport
import Testing

@testable import GuestBoot

@Suite struct DistributionKernelTests {
    @Test(arguments: ["gzip", "xz", "zstd", "lz4", "lzma", "bzip2"])
    func `a kernel is unpacked whatever it is compressed with`(_ filter: String) throws {
        #expect(try CompressedKernel.unpack(FakeKernel.bzImage(filter: filter), name: "k") == FakeKernel.elf)
    }

    @Test func `cut and damaged kernels are refused`() throws {
        let bytes = try FakeKernel.bzImage(filter: "gzip")
        for count in [0, 100, 0x206, 0x260, 1536, bytes.count - 10] {
            #expect(throws: GuestBootError.self) { try CompressedKernel.unpack(Array(bytes[..<count]), name: "k") }
        }
        var damaged = bytes
        for index in 1540..<1560 { damaged[index] ^= 0xff }
        #expect(throws: GuestBootError.self) { try CompressedKernel.unpack(damaged, name: "k") }
    }

    @Test func `modules load after what they depend on`() throws {
        let files = [
            "virtio_net": FakeKernel.module(depends: "net_failover,virtio"),
            "net_failover": FakeKernel.module(depends: "failover"), "failover": FakeKernel.module(depends: ""),
            "virtio": FakeKernel.module(depends: "virtio_ring"), "virtio_ring": FakeKernel.module(depends: ""),
            "overlay": FakeKernel.module(depends: "overlay"),
        ]
        let order = try KernelModules.resolve { name throws(GuestBootError) in files[name] }.map { $0.name }
        #expect(order == ["failover", "net_failover", "virtio_ring", "virtio", "virtio_net", "overlay"])
    }

    @Test func `module names come from file names`() {
        #expect(KernelModules.name(ofFile: "a/virtio-rng.ko") == "virtio_rng")
        #expect(KernelModules.name(ofFile: "a/ext4.ko.xz") == "ext4")
        #expect(KernelModules.name(ofFile: "a/modules.dep") == nil)
        #expect(KernelModules.name(ofFile: "") == nil)
    }

    @Test func `an installed kernel is taken with its modules, and one without disks is not`() throws {
        try withScratch { folder in
            let boot = folder.appending("boot")
            let modules = folder.appending("modules/6.1-test")
            try Files.makeDirectory(boot)
            try Files.makeDirectory(modules.appending("kernel/fs/ext4"))
            try AtomicFile.write(try FakeKernel.bzImage(filter: "zstd"), to: boot.appending("vmlinuz-6.1-test"))
            try AtomicFile.write(
                try FakeKernel.write(format: "raw", filter: "xz", files: [("m", FakeKernel.module(depends: ""))]),
                to: modules.appending("kernel/fs/ext4/ext4.ko.xz"))
            let kernels = folder.appending("kernels")
            try Files.makeDirectory(kernels)
            let distribution = DistributionKernel(boot: boot, modules: folder.appending("modules"), package: "none") {
                (_, _) throws(GuestBootError) in throw .unreadable("the package", reason: "there is none")
            }
            let error = #expect(throws: GuestBootError.self) { try distribution.unpack(into: kernels) { _ in } }
            #expect(error?.description.contains("virtio_mmio") == true)
            #expect(error?.description.contains("there is none") == true)

            try AtomicFile.write(
                Array("kernel/drivers/virtio/virtio_mmio.ko\n".utf8), to: modules.appending("modules.builtin"))
            let kernel = try distribution.unpack(into: kernels) { _ in }
            #expect(try Files.read(kernel.image) == FakeKernel.elf)
            #expect(kernel.modules.compactMap { $0.lastComponent?.string } == ["00-ext4.ko"])
            let module = try #require(kernel.modules.first)
            #expect(try Files.read(module) == FakeKernel.module(depends: ""))
        }
    }

    @Test func `a package that is none is refused`() throws {
        for bytes in [[], Array("hello".utf8), try FakeKernel.write(format: "ar", filter: "none", files: [("x", [1])])]
        {
            #expect(throws: GuestBootError.self) { try KernelPackage(bytes, name: "p") }
        }
        let whole = try FakeKernel.package(kernel: FakeKernel.bzImage(filter: "gzip"))
        #expect(throws: GuestBootError.self) { try KernelPackage(Array(whole.prefix(whole.count - 200)), name: "p") }
    }

    @Test func `the kernel package is found in apt's listing`() {
        let text =
            "Package: linux-image-cloud-amd64\nDepends: linux-base, linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)\n"
        #expect(AptPackage.kernelDependency(in: text) == "linux-image-6.1.0-56-cloud-amd64")
        #expect(AptPackage.kernelDependency(in: "Package: x\n") == nil)
    }
}
