import Glibc
import LinuxHost
import SystemPackage
import Testing

/// Things on the host that look like fcctl's and are not. Whatever a test does, they stay as they are.
final class Decoys {
    static let folderName = "mine"
    /// Names like fcctl's own, with a number so that two runs of the tests on one host do not share them.
    private let number = UInt32.random(in: 1000...9999)
    private var tap: String { "tap_fc\(number)" }
    private var table: String { "fcctl_mine_\(number)" }

    private let state: FilePath
    private let cgroup: FilePath
    private var before: [String] = []
    private let sleeper: Program

    init(in state: FilePath) throws {
        self.state = state
        cgroup = try CgroupHierarchies.detect().mounts[0].appending("firecracker/x\(number)")
        try Files.makeDirectory(state.appending(Decoys.folderName))
        try AtomicFile.write(Array("keep me\n".utf8), to: state.appending(Decoys.folderName).appending("notes.txt"))
        // A sweep that took every folder in here for a machine would take this one.
        try Files.makeDirectory(state.appending("vms").appending(Decoys.folderName))
        try Files.makeDirectory(cgroup, mode: 0o755)
        sleeper = try Program("sleep", ["100000"], environment: ["PATH": "/usr/bin:/bin"])
        try AtomicFile.writeAll(
            Array("\(sleeper.pid)".utf8), to: try Files.open(cgroup.appending("cgroup.procs"), O_WRONLY),
            path: cgroup.appending("cgroup.procs"))
        try Fcctl.tool("ip", ["tuntap", "add", "dev", tap, "mode", "tap"])
        try Fcctl.tool("nft", ["add table inet \(table); add chain inet \(table) mine"])
        before = look()
    }

    /// Expects everything as it was, and removes it.
    func check() {
        #expect(look() == before, "what is not ours was touched")
        #expect(ProcessIdentity(pid: sleeper.pid)?.isAlive == true, "a stranger's process was ended")
        // A decoy that is gone was reported above.
        try? sleeper.signal(9)
        _ = try? sleeper.wait(within: 10)
        _ = try? Fcctl.tool("ip", ["link", "delete", tap])
        _ = try? Fcctl.tool("nft", ["delete table inet \(table)"])
        _ = try? Fcctl.tool("rmdir", [cgroup.string, cgroup.removingLastComponent().string])
    }

    private func look() -> [String] {
        [
            HostTraces.text(FilePath("/sys/class/net/\(tap)/ifindex")),
            (try? Fcctl.tool("nft", ["list", "table", "inet", table])) ?? "no table",
            HostTraces.text(cgroup.appending("cgroup.procs")),
            HostTraces.text(state.appending(Decoys.folderName).appending("notes.txt")),
            "\(Files.exists(state.appending("vms").appending(Decoys.folderName)))",
        ]
    }
}
