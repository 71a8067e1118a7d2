import ArgumentParser
import GuestBoot
import LinuxHost
import Machines
import SystemPackage
import VMM

/// How a machine is made: shared by `run` and `serve`.
struct MachineOptions: ParsableArguments {
    @Option(name: .long, help: "Virtual machine monitor: auto, firecracker or qemu.")
    var vmm: VMMSelection.Request = .auto

    @Option(name: .long, help: "Guest kernel, an uncompressed ELF (default: $FCCTL_KERNEL, then found or fetched).")
    var kernel: String?

    @Option(
        name: .shortAndLong, help: "NAME=VALUE for the app's environment; repeatable. NAME alone is taken from yours.")
    var env: [String] = []

    @Option(name: .long, help: "What the guest may reach: internet (public addresses only) or none.")
    var egress: MachineSpec.Egress = .internet

    @Option(name: .long, help: "The port the app listens on (default: the image's only exposed port, else 3000).")
    var appPort: UInt16?

    @Option(name: .long, help: "How long a start may take from boot to the first listening socket.")
    var startTimeout = TimeOption(.seconds(60))

    func validate() throws {
        if appPort == 0 { throw ValidationError("--app-port is a number from 1 to 65535.") }
        for entry in env {
            let name = entry.prefix { $0 != "=" }
            guard !name.isEmpty, !entry.utf8.contains(0) else {
                throw ValidationError("--env takes NAME=VALUE or NAME; \(entry.debugDescription) is neither.")
            }
        }
    }

    /// The entries with a value each: `NAME` alone takes ours and is left out when we have none.
    func environment(_ own: [String: String]) -> [String] {
        env.compactMap { entry in
            if entry.contains("=") { return entry }
            return own[entry].map { "\(entry)=\($0)" }
        }
    }
}

extension MachineSpec.Egress: ExpressibleByArgument {}
extension VMMSelection.Request: ExpressibleByArgument {}
