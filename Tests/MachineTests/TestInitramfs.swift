import Glibc
import GuestBoot
import LinuxHost
import SystemPackage

/// An initramfs of busybox and a script, for guests that need no more.
enum TestInitramfs {
    static let busybox: FilePath = "/bin/busybox"

    /// Prints `guest ready`, then `tick N` five times a second.
    static let ticking = """
        #!/bin/busybox sh
        echo "guest ready"
        i=0
        while true; do i=$((i+1)); echo "tick $i"; /bin/busybox sleep 0.2; done
        """

    static func write(_ script: String, to path: FilePath) throws {
        var archive: [UInt8] = []
        entry("bin", mode: 0o040755, [], into: &archive)
        entry("bin/busybox", mode: 0o100755, try Files.read(busybox), into: &archive)
        entry("init", mode: 0o100755, Array((script + "\n").utf8), into: &archive)
        entry("modules", mode: 0o040755, [], into: &archive)
        for module in Host.guestKernel?.modules ?? [] {
            let name = module.lastComponent?.string ?? ""
            entry("modules/\(name)", mode: 0o100644, try Files.read(module), into: &archive)
        }
        entry("TRAILER!!!", mode: 0, [], into: &archive)
        try AtomicFile.write(archive, to: path, mode: 0o444)
    }

    /// One member in the kernel's `newc` format.
    private static func entry(_ name: String, mode: UInt32, _ content: [UInt8], into archive: inout [UInt8]) {
        func field(_ value: Int) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }
        let fields = [archive.count, Int(mode), 0, 0, 1, 0, content.count, 0, 0, 0, 0, name.utf8.count + 1, 0]
        archive += Array(("070701" + fields.map(field).joined()).utf8) + Array(name.utf8) + [0]
        while archive.count % 4 != 0 { archive.append(0) }
        archive += content
        while archive.count % 4 != 0 { archive.append(0) }
    }
}
