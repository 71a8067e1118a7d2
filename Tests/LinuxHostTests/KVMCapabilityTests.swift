import LinuxHost
import SystemPackage
import Testing

@Suite struct KVMCapabilityTests {
    @Test(arguments: ["flags\t\t: fpu vmx sse", "processor: 0\nflags : svm"])
    func `a CPU with virtualisation is hardware`(_ cpuinfo: String) {
        guard case .hardware = KVMCapability.decide(device: "/dev/kvm", openError: nil, cpuinfo: cpuinfo) else {
            Issue.record("not hardware")
            return
        }
    }

    @Test(arguments: ["flags\t\t: fpu sse vmxx", "", "vmx flags\t: vmx\nflags: none"])
    func `a device that opens on a CPU without it is emulated`(_ cpuinfo: String) {
        guard case .emulated = KVMCapability.decide(device: "/dev/kvm", openError: nil, cpuinfo: cpuinfo) else {
            Issue.record("not emulated")
            return
        }
    }

    @Test(arguments: [
        (Errno.noSuchFileOrDirectory, "does not exist"), (Errno.permissionDenied, "group kvm"),
        (Errno.ioError, "cannot be"),
    ])
    func `a device that does not open says why`(_ error: Errno, _ words: String) {
        let found = KVMCapability.decide(device: "/dev/kvm", openError: error, cpuinfo: "flags : vmx")
        guard case .none(let reason) = found else {
            Issue.record("not none")
            return
        }
        #expect(reason.contains(words))
    }
}
