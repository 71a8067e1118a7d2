import SystemPackage
import Testing

@testable import LinuxHost

@Suite struct CgroupTests {
    private static let hybrid = """
        21 1 0:19 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
        22 21 0:20 / /sys/fs/cgroup/cpu rw,relatime shared:3 - cgroup cgroup rw,cpu,cpuacct
        23 21 0:21 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
        24 21 0:22 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
        25 21 0:23 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
        """

    @Test func `on a hybrid host each controller is found where it is`() throws {
        let found = CgroupHierarchies(mounts: CgroupMount.parse(Self.hybrid), unifiedControllers: ["hugetlb"])
        #expect(found.place(of: .memory) == .init(version: .v1, mount: "/sys/fs/cgroup/memory"))
        #expect(found.place(of: .cpu) == .init(version: .v1, mount: "/sys/fs/cgroup/cpu"))
        #expect(found.place(of: .pids) == nil)
        #expect(found.unenforced.map(\.controller) == [.pids])
        #expect(found.used.map(\.mount) == ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu"])
        #expect(found.mounts.count == 4)
    }

    @Test func `on a v2 host one mount serves all`() {
        let mounts = CgroupMount.parse("30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate")
        let found = CgroupHierarchies(mounts: mounts, unifiedControllers: ["memory", "pids", "cpu", "io"])
        #expect(found.used == [.init(version: .v2, mount: "/sys/fs/cgroup")])
        #expect(found.unenforced == [])
    }

    @Test func `on a v1 host there is no unified place`() {
        let mounts = CgroupMount.parse("23 21 0:21 / /cg/memory rw - cgroup none rw,memory,pids")
        let found = CgroupHierarchies(mounts: mounts, unifiedControllers: [])
        #expect(found.unified == nil)
        #expect(found.used == [.init(version: .v1, mount: "/cg/memory")])
    }

    @Test(arguments: ["", "garbage", "- - - -", "1 2 3 4 5 - cgroup", "1 2 3 / /x rw -"])
    func `a line that is no mount is skipped`(_ text: String) {
        #expect(CgroupMount.parse(text) == [])
    }

    @Test func `escaped blanks in a mount point are read`() {
        let mounts = CgroupMount.parse(#"30 23 0:26 / /my\040groups rw - cgroup2 cgroup2 rw"#)
        #expect(mounts.map(\.path) == ["/my groups"])
    }

    @Test(arguments: [
        ("fcctl/..", "m"), ("fcctl", "../x"), ("", "m"), ("/fcctl", "m"), ("fcctl//x", "m"), ("fcctl", ""),
    ])
    func `a name that could leave the parent is refused`(_ parent: String, _ id: String) {
        let none = CgroupHierarchies(mounts: [], unifiedControllers: [])
        #expect(throws: HostError("name the cgroup", "\(parent)/\(id)", .invalidArgument)) {
            _ = try Cgroup(parent: parent, id: id, hierarchies: none)
        }
    }

    @Test func `limits become the files of both versions`() {
        let settings = CgroupSetting.all(for: .init(memory: .mebibytes(1), processes: 64, cpus: 0.5)).flatMap(\.1)
        let text = settings.map { "\($0.version) \($0.file)=\($0.value)" }
        #expect(
            text == [
                "v2 memory.max=1048576", "v2 memory.swap.max=0", "v2 memory.oom.group=1",
                "v1 memory.limit_in_bytes=1048576", "v1 memory.memsw.limit_in_bytes=1048576", "v2 pids.max=64",
                "v1 pids.max=64", "v2 cpu.max=50000 100000", "v1 cpu.cfs_period_us=100000", "v1 cpu.cfs_quota_us=50000",
            ])
    }

    @Test func `a host where no cgroup can be made is an error that names the place`() throws {
        let mounts = [CgroupMount(path: "/proc/fcctl-none", version: .v1, controllers: ["memory"])]
        let cgroup = try Cgroup(
            parent: "fcctl", id: "m", hierarchies: CgroupHierarchies(mounts: mounts, unifiedControllers: []))
        let error = #expect(throws: HostError.self) { _ = try cgroup.create(.init(memory: .mebibytes(64))) }
        #expect(error?.operation == "create the cgroup")
        #expect(error?.subject.hasPrefix("/proc/fcctl-none") == true)
    }
}
