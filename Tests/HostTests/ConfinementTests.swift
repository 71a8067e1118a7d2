import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@Suite(.enabled(if: geteuid() == 0, "needs root"))
struct ConfinementTests {
    private func withCgroup<Result>(_ limits: Cgroup.Limits = .init(), _ body: (Cgroup) throws -> Result) throws
        -> Result
    {
        let tag = String(UInt32.random(in: .min ... .max), radix: 16)
        let cgroup = try Cgroup(parent: "fcctl-test-\(tag)", id: "m", hierarchies: .detect())
        defer {
            // The body may have removed it already.
            try? cgroup.kill()
            try? cgroup.remove()
        }
        _ = try cgroup.create(limits)
        return try body(cgroup)
    }

    private func run(_ child: ChildProcess) throws -> (text: String, status: TerminationStatus?) {
        try withScratch { folder in
            var child = child
            let output = try Files.open(folder.appending("out"), O_RDWR | O_CREAT)
            child.environment = ["PATH": "/usr/sbin:/usr/bin:/bin"]
            child.standardOutput = output.rawValue
            child.standardError = output.rawValue
            let process = try child.spawn()
            #expect(try process.wait(milliseconds: 20_000))
            return (String(decoding: try Files.read(folder.appending("out")), as: UTF8.self), process.reap())
        }
    }

    private static let status = "grep -E '^(Uid|Gid|Groups|Cap|NoNew)' /proc/self/status"

    @Test func `a dropped child has no capability, no group and no way to get any`() throws {
        var child = ChildProcess(executable: "/bin/sh", arguments: ["-c", Self.status])
        child.credentials = .user(34_567, group: 34_568)
        let lines = try run(child).text.split(separator: "\n").map { $0.split(whereSeparator: \.isWhitespace) }
        for line in lines {
            switch line[0] {
            case "Uid:": #expect(line.dropFirst().allSatisfy { $0 == "34567" })
            case "Gid:": #expect(line.dropFirst().allSatisfy { $0 == "34568" })
            case "Groups:": #expect(line.count == 1)
            case "NoNewPrivs:": #expect(line[1] == "1")
            default: #expect(line[1] == "0000000000000000", "\(line[0])")
            }
        }
        #expect(lines.count == 9)
    }

    @Test func `a child that stays root keeps only what is named and can never regain the rest`() throws {
        var child = ChildProcess(executable: "/bin/sh", arguments: ["-c", Self.status])
        child.credentials = .root(keeping: [.chown, .setUser])
        let text = try run(child).text
        #expect(text.contains("CapEff:\t0000000000000081"))
        #expect(text.contains("CapPrm:\t0000000000000081"))
        #expect(text.contains("CapBnd:\t0000000000000000"))
        #expect(text.contains("NoNewPrivs:\t1"))
    }

    @Test func `the parent keeps its own user after a child became another one`() throws {
        var child = ChildProcess(executable: "/bin/true", arguments: [])
        child.credentials = .user(34_567, group: 34_567)
        _ = try run(child)
        #expect(geteuid() == 0)
        var status = stat()
        #expect(stat("/proc/self/environ", &status) == 0 && status.st_uid == 0)
    }

    @Test func `a child is in its cgroup, its namespaces and nowhere of ours from its first instruction on`() throws {
        try withCgroup { cgroup in
            let script = "cat /proc/self/cgroup; ls -l /proc/self/ns; echo pid $$"
            var child = ChildProcess(executable: "/bin/sh", arguments: ["-c", script])
            child.cgroup = cgroup
            child.namespaces = [.pid, .ipc, .hostname]
            let text = try run(child).text
            #expect(text.contains("pid 1\n"))
            for place in cgroup.hierarchies.used where place.version == .v2 {
                #expect(text.contains("0::/\(cgroup.path)"))
            }
            let places = text.split(separator: "\n").filter { $0.hasSuffix(":/\(cgroup.path)") }
            #expect(places.count == cgroup.hierarchies.used.count, "\(text)")
        }
    }

    @Test func `a missing network namespace is an error and leaves no process`() throws {
        try withCgroup { cgroup in
            let file = try Files.open("/dev/null")
            var child = ChildProcess(executable: "/bin/true", arguments: [])
            child.cgroup = cgroup
            child.networkNamespace = file.rawValue
            let error = #expect(throws: HostError.self) { _ = try child.spawn() }
            #expect(error?.description.hasPrefix("enter the network namespace, starting /bin/true") == true)
            #expect(cgroup.members() == [])
        }
    }

    @Test func `killing a cgroup ends a storm of forks and removing it leaves nothing`() throws {
        try withCgroup(.init(memory: .mebibytes(256), processes: 40)) { cgroup in
            // The shell ends a loop that cannot fork, so it goes on by an exec.
            let storm = "(while :; do sleep 30 & done) 2>/dev/null; exec sleep 60"
            var child = ChildProcess(executable: "/bin/sh", arguments: ["-c", storm])
            child.environment = ["PATH": "/usr/bin:/bin"]
            child.cgroup = cgroup
            let process = try child.spawn()
            while cgroup.members().count < 20 { usleep(1000) }
            #expect(cgroup.members().count <= 40)
            try cgroup.kill()
            #expect(cgroup.members() == [])
            #expect(try process.wait(milliseconds: 1000))
            #expect(process.reap() == .signalled(SIGKILL))
            try cgroup.remove()
            #expect(!cgroup.exists)
            try cgroup.kill()
            try cgroup.remove()
        }
    }

    @Test func `a cgroup in use is not taken, one that is left over is`() throws {
        try withCgroup { cgroup in
            _ = try cgroup.create(.init())
            var child = ChildProcess(executable: "/bin/sleep", arguments: ["60"])
            child.cgroup = cgroup
            let process = try child.spawn()
            #expect(throws: HostError("create the cgroup", cgroup.path, .fileExists)) { _ = try cgroup.create(.init()) }
            try cgroup.kill()
            _ = try process.wait()
            _ = process.reap()
        }
    }

    @Test func `a limit is set in every hierarchy that has it`() throws {
        try withCgroup(.init(memory: .mebibytes(100), processes: 30)) { cgroup in
            let memory = try #require(cgroup.hierarchies.place(of: .memory), "this host has no memory controller")
            let file = memory.version == .v1 ? "memory.limit_in_bytes" : "memory.max"
            let text = try Files.read(memory.mount.appending(cgroup.path).appending(file))
            #expect(String(decoding: text, as: UTF8.self) == "104857600\n")
        }
    }

    @Test func `parents that others make and remove meanwhile do not fail a creation`() async throws {
        let tag = String(UInt32.random(in: .min ... .max), radix: 16)
        let hierarchies = try CgroupHierarchies.detect()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<4 {
                group.addTask {
                    for _ in 0..<50 {
                        let cgroup = try Cgroup(parent: "fcctl-test-\(tag)", id: "m\(index)", hierarchies: hierarchies)
                        _ = try cgroup.create(.init())
                        try cgroup.remove()
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(hierarchies.mounts.allSatisfy { !Files.exists($0.appending("fcctl-test-\(tag)")) })
    }
}
