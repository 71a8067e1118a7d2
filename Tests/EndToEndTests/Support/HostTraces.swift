import LinuxHost
import SystemPackage

/// Looks for everything that the machines of one state directory can leave on a host. It looks by itself, with none of
/// the product's own code, and only at what carries the directory's tag: others may run machines meanwhile.
final class HostTraces {
    private let state: FilePath
    private let tag: String
    /// Every process seen in a command of the test or in a cgroup of its machines.
    private var processes: Set<ProcessIdentity> = []

    init(state: FilePath, tag: String) {
        self.state = state
        self.tag = tag
    }

    /// Takes down the commands `pids` with all that they started, and the members of our cgroups.
    func observe(_ pids: [Int32]) {
        var children: [Int32: [Int32]] = [:]
        for pid in HostTraces.pids() {
            if let parent = HostTraces.parent(of: pid) { children[parent, default: []].append(pid) }
        }
        var open = pids + members()
        while let pid = open.popLast() {
            guard let identity = ProcessIdentity(pid: pid), processes.insert(identity).inserted else { continue }
            open += children[pid] ?? []
        }
    }

    func leaks() -> [String] {
        let living = processes.filter(\.isAlive).map { "process \($0.pid) (\(HostTraces.name(of: $0.pid)))" }
        return living + cgroups().map { "cgroup \($0)" } + links() + tables() + sockets() + mounts() + namespaces()
            + files()
    }

    /// The processes in our cgroups.
    func members() -> [Int32] {
        cgroups().flatMap { folder in
            HostTraces.text(folder.appending("cgroup.procs")).split(separator: "\n").compactMap { Int32($0) }
        }
    }

    /// Every cgroup folder of ours, in any hierarchy.
    private func cgroups() -> [FilePath] {
        let roots = HostTraces.text("/proc/self/mountinfo").split(separator: "\n")
            .filter { $0.contains(" - cgroup ") || $0.contains(" - cgroup2 ") }
            .compactMap { line in line.split(separator: " ").dropFirst(4).first.map { FilePath(String($0)) } }
        return Set(roots).map { $0.appending("fcctl").appending(tag) }.filter(Files.exists).flatMap { folder in
            // A folder that is going away while it is listed has no cgroups any more.
            [folder] + ((try? Files.list(folder)) ?? []).map { folder.appending($0) }.filter(Files.isDirectory)
        }
    }

    private func links() -> [String] {
        ((try? Files.list("/sys/class/net")) ?? []).filter { $0.hasPrefix("fc\(tag)-") }.map { "link \($0)" }
    }

    private func tables() -> [String] {
        let listing = (try? Fcctl.tool("nft", ["list", "tables"])) ?? "table inet fcctl_\(tag) cannot be looked for"
        let record = FilePath("/run/fcctl/fcctl_\(tag).nft")
        return listing.split(separator: "\n").filter { $0.contains("fcctl_\(tag)") }.map { "nft \($0)" }
            + (Files.exists(record) ? ["file \(record)"] : [])
    }

    private func sockets() -> [String] {
        HostTraces.text("/proc/net/unix").split(separator: "\n").filter { $0.contains(state.string) }.map {
            "socket \($0)"
        }
    }

    private func mounts() -> [String] {
        HostTraces.text("/proc/self/mountinfo").split(separator: "\n").filter { line in
            line.split(separator: " ").dropFirst(4).first.map { $0.hasPrefix(state.string + "/") } ?? false
        }.map { "mount \($0)" }
    }

    /// Namespaces of network that a process of ours still is in or holds.
    private func namespaces() -> [String] {
        let own = Files.linkTarget("/proc/self/ns/net")
        return processes.filter(\.isAlive).flatMap { identity -> [String] in
            let folder = FilePath("/proc/\(identity.pid)")
            let held = ((try? Files.list(folder.appending("fd"))) ?? []).map { folder.appending("fd").appending($0) }
            return ([folder.appending("ns/net")] + held).compactMap { Files.linkTarget($0) }
                .filter { $0.hasPrefix("net:[") && $0 != own }.map { "namespace \($0) in process \(identity.pid)" }
        }
    }

    /// All but the caches: kernels and VMMs, finished roots, names, lock files and the initramfs by content.
    private func files() -> [String] {
        HostTraces.tree(state).filter { path in
            let parts = path.split(separator: "/")
            let name = parts.last ?? ""
            if parts.prefix(2).contains(Substring(Decoys.folderName)) { return false }
            if name.hasPrefix(".") || name.hasSuffix(".tmp") || name.hasSuffix(".building") { return true }
            switch parts.first ?? "" {
            case "bin", "locks", "initramfs", "snapshots": return false
            case "rootfs-cache":
                return !(parts.count == 1 || name.hasSuffix(".ext4") || name.hasSuffix(".json") || parts[1] == "names")
            case "vms": return parts.count > 1
            // The jailer's own level, named after its binary, and in it one folder a machine.
            case "jails": return parts.count > 2
            default: return true
            }
        }.map { "file \($0)" }
    }

    /// Everything below `root`, relative to it.
    static func tree(_ root: FilePath, _ prefix: String = "") -> [String] {
        ((try? Files.list(root)) ?? []).flatMap { name -> [String] in
            let path = root.appending(name)
            let isFolder = Files.isDirectory(path) && Files.linkTarget(path) == nil
            return [prefix + name] + (isFolder ? tree(path, prefix + name + "/") : [])
        }
    }

    private static func pids() -> [Int32] { ((try? Files.list("/proc")) ?? []).compactMap { Int32($0) } }

    private static func parent(of pid: Int32) -> Int32? {
        let stat = text(FilePath("/proc/\(pid)/stat"))
        guard let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[end...].split(separator: " ")
        return fields.count > 2 ? Int32(fields[2]) : nil
    }

    private static func name(of pid: Int32) -> String {
        text(FilePath("/proc/\(pid)/comm")).split(separator: "\n").first.map(String.init) ?? "?"
    }

    /// A file that has gone is as good as empty here.
    static func text(_ path: FilePath) -> String {
        (try? Files.read(path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}
