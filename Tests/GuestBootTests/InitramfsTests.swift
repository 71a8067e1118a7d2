import CArchive
import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@testable import GuestBoot

@Suite struct InitramfsTests {
    @Test func `the archive holds init, console and modules, and is the same each time`() throws {
        let modules = [("01-b.ko", [UInt8](repeating: 2, count: 5)), ("00-a.ko", [1])]
        let bytes = Initramfs.archive(program: Array("init".utf8), modules: modules)
        #expect(bytes == Initramfs.archive(program: Array("init".utf8), modules: modules.reversed()))
        #expect(bytes.count % 4 == 0)
        #expect(
            try entries(bytes) == [
                "dev 40755", "dev/console 20600 5:1", "init 100755 init", "modules 40755",
                "modules/00-a.ko 100644 \u{1}",
                "modules/01-b.ko 100644 \u{2}\u{2}\u{2}\u{2}\u{2}",
            ])
    }

    @Test func `a machine's archive is the base and then its configuration`() throws {
        try withScratch { folder in
            let base = folder.appending("base")
            let baseBytes = Initramfs.archive(program: [1], modules: [])
            try AtomicFile.write(baseBytes, to: base)
            let path = folder.appending("machine.cpio")
            let configuration = RunConfiguration(arguments: [Array("app".utf8)])
            for _ in 0..<2 { try Initramfs.write(base: base, runConfiguration: configuration, to: path, mode: 0o400) }
            let bytes = try Files.read(path)
            #expect(bytes.starts(with: baseBytes))
            let rest = Array(bytes[baseBytes.count...])
            #expect(try entries(rest).map { $0.prefix(17) } == ["run.config 100600"])
            #expect(rest.count % 4 == 0)
        }
    }

    @Test func `a configuration that cannot be written leaves no file`() throws {
        try withScratch { folder in
            let path = folder.appending("machine.cpio")
            let configuration = RunConfiguration(arguments: [[0]])
            #expect(throws: GuestBootError.self) {
                try Initramfs.write(base: folder.appending("base"), runConfiguration: configuration, to: path)
            }
            let valid = RunConfiguration(arguments: [[65]])
            #expect(throws: GuestBootError.self) {
                try Initramfs.write(base: folder.appending("missing"), runConfiguration: valid, to: path)
            }
            let left = try Files.list(folder)
            #expect(left == [])
        }
    }

    @Test(.enabled(if: !GuestAssets.initProgram.isEmpty, "needs guest/build"))
    func `the base is made once for a kernel and again for another`() throws {
        try withScratch { folder in
            let state = StateDirectory(folder)
            let module = folder.appending("00-x.ko")
            try AtomicFile.write([1, 2, 3], to: module)
            func kernel(_ digest: String) -> GuestKernel {
                GuestKernel(image: folder, modules: [module], digest: digest, description: "")
            }
            let first = try Initramfs.base(for: kernel("a"), state: state)
            #expect(try Initramfs.base(for: kernel("a"), state: state) == first)
            #expect(try Initramfs.base(for: kernel("b"), state: state) != first)
            #expect(try Files.list(state.initramfs).count == 2)
            #expect(try Files.read(first).starts(with: Array("070701".utf8)))
        }
    }

    @Test func `the command line tells an emulated machine its clock and is quiet`() {
        let qemu = KernelCommandLine.qemu(tscKilohertz: 2_596_132)
        #expect(qemu.contains("tsc_early_khz=2596132") && qemu.contains("tsc=reliable"))
        #expect(KernelCommandLine.firecracker(console: false).contains("8250.nr_uarts=0"))
        #expect(KernelCommandLine.firecracker(console: true).contains("console=ttyS0"))
    }

    @Test func `the measured clock rate is steady`() {
        let first = TimeStampCounter.measure()
        let second = TimeStampCounter.measure()
        #expect(first > 100_000)
        #expect(max(first, second) - min(first, second) < first / 1000)
    }

    /// Names, modes and contents as libarchive, an independent reader, sees them.
    private func entries(_ bytes: [UInt8]) throws -> [String] {
        let archive = try #require(archive_read_new())
        defer { archive_read_free(archive) }
        archive_read_support_format_cpio(archive)
        return try bytes.withUnsafeBytes { buffer in
            try #require(archive_read_open_memory(archive, buffer.baseAddress, buffer.count) == ARCHIVE_OK)
            var found: [String] = []
            var entry: OpaquePointer?
            while archive_read_next_header(archive, &entry) == ARCHIVE_OK, let entry {
                var text = String(cString: archive_entry_pathname(entry))
                text += " " + String(archive_entry_mode(entry), radix: 8)
                if archive_entry_filetype(entry) == S_IFCHR {
                    text += " \(archive_entry_rdevmajor(entry)):\(archive_entry_rdevminor(entry))"
                }
                var content = [UInt8](repeating: 0, count: 4096)
                let count = content.withUnsafeMutableBytes { archive_read_data(archive, $0.baseAddress, $0.count) }
                if count > 0 { text += " " + String(decoding: content[..<count], as: UTF8.self) }
                found.append(text)
            }
            return found
        }
    }
}
