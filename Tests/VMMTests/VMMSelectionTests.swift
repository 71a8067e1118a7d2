import LinuxHost
import Testing
import VMM

@Suite struct VMMSelectionTests {
    private static let none = KVMCapability.none(reason: "/dev/kvm does not exist")
    private static let emulated = KVMCapability.emulated(reason: "the CPU does not virtualise")
    private static let hardware = KVMCapability.hardware(reason: "it works")

    @Test(arguments: [
        (VMMSelection.Request.auto, hardware, true, true, VMMKind.firecracker),
        (.auto, hardware, true, false, .firecracker),
        (.auto, hardware, false, true, .qemu),
        (.auto, emulated, true, true, .qemu),
        (.auto, none, true, true, .qemu),
        (.auto, none, false, true, .qemu),
        (.qemu, hardware, true, true, .qemu),
        (.qemu, none, false, true, .qemu),
        (.firecracker, hardware, true, true, .firecracker),
        (.firecracker, emulated, true, true, .firecracker),
    ])
    func `the VMM follows the request and what the host can do`(
        _ request: VMMSelection.Request, _ kvm: KVMCapability, _ firecracker: Bool, _ qemu: Bool, _ expected: VMMKind
    ) {
        let choice = VMMSelection.decide(request, kvm: kvm, firecrackerFound: firecracker, qemuFound: qemu)
        guard case .use(let kind, _, _) = choice else {
            Issue.record("impossible: \(choice)")
            return
        }
        #expect(kind == expected)
    }

    @Test(arguments: [
        (VMMSelection.Request.firecracker, hardware, false, true, "FCCTL_FIRECRACKER"),
        (.firecracker, none, true, true, "/dev/kvm does not exist"),
        (.qemu, hardware, true, false, "apt-get install qemu-system-x86"),
        (.auto, none, true, false, "cannot run images here"),
        (.auto, none, false, false, "works without KVM"),
        (.auto, emulated, true, false, "apt-get install qemu-system-x86"),
        (.auto, hardware, false, false, "firecracker and jailer on PATH"),
    ])
    func `a request that cannot be met names the remedy`(
        _ request: VMMSelection.Request, _ kvm: KVMCapability, _ firecracker: Bool, _ qemu: Bool, _ remedy: String
    ) {
        let choice = VMMSelection.decide(request, kvm: kvm, firecrackerFound: firecracker, qemuFound: qemu)
        guard case .impossible(let sentence) = choice else {
            Issue.record("possible: \(choice)")
            return
        }
        #expect(sentence.contains(remedy))
    }

    @Test func `the banner says when isolation is weaker and starts are slow`() {
        let choice = VMMSelection.decide(.auto, kvm: Self.none, firecrackerFound: true, qemuFound: true)
        guard case .use(_, let sentence, let warning) = choice else {
            Issue.record("impossible: \(choice)")
            return
        }
        #expect(sentence.contains("isolation is weaker") && sentence.contains("slow"))
        #expect(warning != nil)
    }

    @Test func `Firecracker on an emulated KVM is allowed with a warning`() {
        let choice = VMMSelection.decide(.firecracker, kvm: Self.emulated, firecrackerFound: true, qemuFound: true)
        guard case .use(.firecracker, _, let warning) = choice else {
            Issue.record("not Firecracker: \(choice)")
            return
        }
        #expect(warning?.contains("--vmm qemu") == true)
    }
}
