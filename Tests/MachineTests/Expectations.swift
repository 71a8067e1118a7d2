import Glibc
import LinuxHost
import SystemPackage
import Testing
import VMM

func expectNothingLeft(_ bench: MachineBench, _ configuration: VMConfiguration, pid: Int32?) throws {
    if let pid { #expect(ProcessIdentity.startTime(of: pid) == nil) }
    #expect(try !bench.cgroup(configuration.id).exists)
    #expect(!Files.exists(MachineFiles(configuration.directory).socket))
}

/// What facts about a live VMM's process must hold.
func expectConfined(_ pid: Int32, _ bench: MachineBench, _ configuration: VMConfiguration) throws {
    for thread in try Files.list(FilePath("/proc/\(pid)/task")) {
        let path = "\(pid)/task/\(thread)"
        for set in ["CapEff", "CapPrm", "CapBnd", "CapAmb"] {
            #expect(try Host.status(path, set) == "0000000000000000", "\(set)")
        }
        #expect(try Host.status(path, "NoNewPrivs") == "1")
        #expect(try Host.status(path, "Seccomp") == "2")
        #expect(
            try Host.status(path, "Uid")?.split(separator: "\t").allSatisfy { $0 == "\(configuration.userID)" } == true)
    }
    let own = try Files.list("/proc/self/ns")
    for namespace in ["net", "ipc", "uts", "pid"] where own.contains(namespace) {
        #expect(Host.namespace(pid, namespace) != Host.namespace(getpid(), namespace), "\(namespace)")
    }
    let cgroup = try bench.cgroup(configuration.id)
    #expect(cgroup.members().contains(pid))
    let memberships = String(decoding: try Files.read(FilePath("/proc/\(pid)/cgroup")), as: UTF8.self)
    let here = memberships.split(separator: "\n").filter { $0.hasSuffix(":/\(cgroup.path)") }
    #expect(here.count == bench.hierarchies.used.count, "\(memberships)")
    #expect(!memberships.contains("firecracker/"))
}

/// A launch that must fail with an error that says `words`.
func expectFailure(
    _ monitor: some VMMonitor, _ configuration: VMConfiguration, _ bench: MachineBench, _ words: String
) async throws {
    do throws(VMMError) {
        let machine = try await monitor.launch(configuration)
        Issue.record("launched")
        await machine.destroy()
    } catch {
        print("failure: \(error)")
        #expect(error.description.contains(words))
    }
    try expectNothingLeft(bench, configuration, pid: nil)
}
