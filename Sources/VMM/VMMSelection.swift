package import LinuxHost

/// Which VMM runs the machines of this host, decided from what is there.
package enum VMMSelection: Sendable, Hashable {
    /// What the user asked for.
    package enum Request: String, Sendable, CaseIterable {
        case auto, firecracker, qemu
    }

    /// The sentence is for the banner: what runs, and what to know about it.
    case use(VMMKind, sentence: String, warning: String?)
    /// Nothing can run; the sentence says what to do.
    case impossible(String)

    /// Firecracker needs a CPU that virtualises; asked for by name it is also taken where KVM is emulated, because
    /// guests written for that run there.
    package static func decide(
        _ request: Request, kvm: KVMCapability, firecrackerFound: Bool, qemuFound: Bool
    ) -> VMMSelection {
        switch (request, kvm) {
        case (.firecracker, _) where !firecrackerFound:
            return .impossible(
                """
                Firecracker was asked for and is not installed: put firecracker and jailer on PATH, name the binary in \
                FCCTL_FIRECRACKER, or use --vmm qemu
                """)
        case (.firecracker, .none(let reason)):
            return .impossible("Firecracker needs KVM, and \(reason); or use --vmm qemu")
        case (.firecracker, .emulated(let reason)):
            return .use(
                .firecracker, sentence: "Firecracker on an emulated KVM: only guests made for it run",
                warning: "\(reason); --vmm qemu runs any image here")
        case (.firecracker, .hardware),
            (.auto, .hardware) where firecrackerFound:
            return .use(.firecracker, sentence: "Firecracker with hardware isolation", warning: nil)
        case (.qemu, _) where !qemuFound:
            return .impossible(
                """
                QEMU was asked for and is not installed: install qemu-system-x86 (apt-get install qemu-system-x86), or \
                name qemu-system-x86_64 in FCCTL_QEMU
                """)
        case (.auto, _) where !qemuFound:
            return .impossible(nothingFound(kvm, firecrackerFound: firecrackerFound))
        case (_, .hardware):
            let hint = "Firecracker was not found; it starts machines faster and exposes less to the guest"
            return .use(.qemu, sentence: "QEMU with hardware isolation", warning: request == .auto ? hint : nil)
        case (_, .emulated(let reason)), (_, .none(let reason)):
            return .use(
                .qemu, sentence: "QEMU without hardware virtualisation: starts are slow and isolation is weaker",
                warning: "\(reason); do not run code here that you would not run beside your own")
        }
    }

    private static func nothingFound(_ kvm: KVMCapability, firecrackerFound: Bool) -> String {
        let install = "install qemu-system-x86 (apt-get install qemu-system-x86)"
        switch kvm {
        case .hardware:
            return "no VMM was found: \(install), or put firecracker and jailer on PATH"
        case .none(let reason), .emulated(let reason):
            let found = firecrackerFound ? "Firecracker is installed and cannot run images here" : "no VMM was found"
            return "\(found): \(reason); \(install), which works without KVM"
        }
    }
}
