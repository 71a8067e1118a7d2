import Glibc
import LinuxHost
import Logging
import SystemPackage
import Testing
import VMM

@testable import Firecracker

let firecracker = try? FirecrackerBinaries.find(
    environment: ["PATH": ""], folder: Host.tools.appending("firecracker"))

func jailContents(_ bench: MachineBench) throws -> [String] {
    try Files.list(bench.directory.appending("jails").appending("firecracker"))
}

func withSerialGuest(
    jailed: Bool = true, words: String = "hello",
    _ body: (MachineBench, FirecrackerMonitor, VMConfiguration) async throws -> Void
) async throws {
    try await MachineBench.with { bench in
        let guest = bench.directory.appending("serial.elf")
        let source = Host.repository.appending("Tests/Guests/serial/guest.c")
        let options = """
            -ffreestanding -nostdlib -static -no-pie -mgeneral-regs-only -mno-red-zone -fcf-protection=none \
            -fno-stack-protector -O1 -Wl,-Ttext=0x1000000,--build-id=none -o
            """
        let built = try CommandOutput.of(
            "/usr/bin/gcc", options.split(separator: " ").map(String.init) + [guest.string, source.string],
            environment: ["PATH": "/usr/bin:/bin"])
        try #require(built.status == .exited(0), "\(built.text)")
        chmod(guest.string, 0o444)
        let jails = bench.directory.appending("jails")
        try Files.makeDirectory(jails)
        let monitor = try FirecrackerMonitor(
            binaries: try #require(firecracker), jailBase: jailed ? jails : nil, kvm: .detect(),
            hierarchies: bench.hierarchies, logger: Logger(label: "test"))
        try await bench.withNetwork { network in
            let configuration = try bench.configuration(
                kernel: guest, initramfs: nil, commandLine: words, network: network)
            try await body(bench, monitor, configuration)
        }
    }
}
