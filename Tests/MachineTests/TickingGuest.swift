import GuestBoot
import LinuxHost
import Logging
import QEMU
import SystemPackage
import Testing
import VMM

let qemu = try? QEMUBinary.find(environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"])

/// A monitor and the configuration of a guest that counts on its console.
func withTicking(
    _ bench: MachineBench, script: String = TestInitramfs.ticking,
    _ body: (QEMUMonitor, VMConfiguration) async throws -> Void
) async throws {
    let initramfs = bench.directory.appending("init.cpio")
    try TestInitramfs.write(script, to: initramfs)
    let binary = try #require(qemu)
    let monitor = QEMUMonitor(
        binary: binary, kvm: .detect(), accelerator: .tcg, hierarchies: bench.hierarchies, logger: Logger(label: "test")
    )
    let words = KernelCommandLine.qemu(tscKilohertz: TimeStampCounter.kilohertz).joined(separator: " ")
    try await bench.withNetwork { network in
        let configuration = try bench.configuration(
            kernel: try #require(Host.guestKernel).image, initramfs: initramfs, commandLine: words, network: network)
        try await body(monitor, configuration)
    }
}
