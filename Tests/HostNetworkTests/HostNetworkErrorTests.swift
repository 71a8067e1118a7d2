import HostNetwork
import LinuxHost
import SystemPackage
import Testing

@Suite struct HostNetworkErrorTests {
    @Test func `missing rights name the remedy, from system calls and from nftables`() {
        let denied = HostNetworkError(HostError("make", "a network namespace", .notPermitted))
        #expect("\(denied)".contains("run fcctl as root"))
        let filter = HostNetworkError(.refused(report: "Error: Could not process rule: Operation not permitted\n"))
        #expect("\(filter)".contains("run fcctl as root"))
    }

    @Test func `a kernel without nftables is named with the library's first line`() {
        let error = HostNetworkError(.refused(report: "Error: Could not process rule: Operation not supported\ntable"))
        #expect("\(error)".contains("Operation not supported"))
        #expect("\(error)".contains("nf_tables"))
    }

    @Test func `settings that a container may not change are told from other read-only files`() {
        let setting = HostError("open", "/proc/sys/net/ipv4/ip_forward", .readOnlyFileSystem)
        #expect(HostNetworkError(setting) == .readOnlySettings(setting))
        let file = HostError("open", "network.json", .readOnlyFileSystem)
        #expect(HostNetworkError(file) == .system(file))
    }

    @Test(arguments: [
        HostNetworkError.noTunDevice, .tapBusy(SlotNumber(3)), .noAddressLeft, .journal(path: "network.json"),
        .notASlot(pid: 9, reason: "gone"), .refused(port: 80), .unanswered(port: 80, after: .seconds(1)),
        .system(HostError("make", "a thing", .noMemory)),
    ])
    func `every error is one line with something to do`(_ error: HostNetworkError) {
        #expect(!"\(error)".contains("\n"))
        #expect("\(error)".contains(":"))
    }
}
