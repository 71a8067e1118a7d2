package import SystemPackage

/// What a cgroup can limit.
package enum CgroupController: String, Sendable, CaseIterable {
    case memory, pids, cpu
}

/// Where this host keeps its cgroups. v1, v2 and a mixture of both exist, so each controller is looked up by itself.
package struct CgroupHierarchies: Sendable, Hashable {
    /// The cgroup2 mount: the place of every controller that is not on v1, and of `cgroup.kill` on any host.
    package let unified: FilePath?
    /// Controllers that the cgroup2 mount offers to our cgroups.
    package let unifiedControllers: Set<String>
    /// v1 mounts by the controllers that they carry.
    package let legacy: [String: FilePath]
    /// Every cgroup mount, for looking for leftovers.
    package let mounts: [FilePath]

    package enum Version: Sendable, Hashable {
        case v1, v2
    }

    package struct Place: Sendable, Hashable {
        package let version: Version
        package let mount: FilePath
    }

    /// Reads the mounts of this process. Throws when there is no cgroup hierarchy at all.
    package static func detect() throws(HostError) -> CgroupHierarchies {
        let table = String(decoding: try Files.read("/proc/self/mountinfo"), as: UTF8.self)
        let mounts = CgroupMount.parse(table)
        guard !mounts.isEmpty else {
            throw HostError("find a mounted cgroup hierarchy in", "/proc", .noSuchFileOrDirectory)
        }
        var offered: Set<String> = []
        if let unified = mounts.first(where: { $0.version == .v2 })?.path {
            let text = String(decoding: try Files.read(unified.appending("cgroup.controllers")), as: UTF8.self)
            offered = Set(text.split(whereSeparator: \.isWhitespace).map(String.init))
        }
        return CgroupHierarchies(mounts: mounts, unifiedControllers: offered)
    }

    package init(mounts: [CgroupMount], unifiedControllers: Set<String>) {
        unified = mounts.first { $0.version == .v2 }?.path
        self.unifiedControllers = unified == nil ? [] : unifiedControllers
        var legacy: [String: FilePath] = [:]
        for mount in mounts where mount.version == .v1 {
            for controller in mount.controllers where legacy[controller] == nil { legacy[controller] = mount.path }
        }
        self.legacy = legacy
        var seen: Set<FilePath> = []
        self.mounts = mounts.map(\.path).filter { seen.insert($0).inserted }
    }

    /// Where a controller is; nil when this host has it nowhere.
    package func place(of controller: CgroupController) -> Place? {
        if let mount = legacy[controller.rawValue] { return Place(version: .v1, mount: mount) }
        if let unified, unifiedControllers.contains(controller.rawValue) {
            return Place(version: .v2, mount: unified)
        }
        return nil
    }

    /// The hierarchies a machine's cgroup is made in: the unified one, by which it is killed, and those of its limits.
    package var used: [Place] {
        var places = unified.map { [Place(version: .v2, mount: $0)] } ?? []
        for controller in CgroupController.allCases {
            if let place = place(of: controller), !places.contains(place) { places.append(place) }
        }
        return places
    }

    /// Limits that this host cannot enforce, known before anything is started.
    package var unenforced: [CgroupShortfall] {
        CgroupController.allCases.filter { place(of: $0) == nil }
            .map { CgroupShortfall(controller: $0, reason: "this host has no \($0.rawValue) cgroup controller") }
    }
}

/// A limit that was asked for and is not in force.
package struct CgroupShortfall: Sendable, Hashable, CustomStringConvertible {
    package let controller: CgroupController
    package let reason: String

    package var description: String { "\(controller.rawValue) is not limited: \(reason)" }
}

/// One cgroup file system in a mount table.
package struct CgroupMount: Sendable, Hashable {
    package let path: FilePath
    package let version: CgroupHierarchies.Version
    /// v1 only: the names in the mount's options, among them the controllers.
    package let controllers: [String]

    package init(path: FilePath, version: CgroupHierarchies.Version, controllers: [String] = []) {
        self.path = path
        self.version = version
        self.controllers = controllers
    }

    /// Reads the text of /proc/PID/mountinfo; lines that do not parse are other mounts to us.
    package static func parse(_ mountinfo: String) -> [CgroupMount] {
        mountinfo.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard let separator = fields.firstIndex(of: "-"), separator >= 5, fields.count > separator + 3 else {
                return nil
            }
            let path = FilePath(unescape(fields[4]))
            switch fields[separator + 1] {
            case "cgroup2":
                return CgroupMount(path: path, version: .v2)
            case "cgroup":
                let options = fields[separator + 3].split(separator: ",").map(String.init)
                return CgroupMount(path: path, version: .v1, controllers: options)
            default:
                return nil
            }
        }
    }

    /// Undoes the kernel's `\040` for bytes that would break the table.
    private static func unescape(_ text: Substring) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "\\"), index + 3 < bytes.count,
                let value = UInt8(String(decoding: bytes[(index + 1)...(index + 3)], as: UTF8.self), radix: 8)
            {
                result.append(value)
                index += 4
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
