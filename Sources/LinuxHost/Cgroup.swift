import Glibc
import SystemPackage

/// The cgroup of one machine: the same relative path in every hierarchy that limits or kills it.
/// All of it blocks; the name is enough to find everything again after a crash.
package struct Cgroup: Sendable, Hashable {
    package let hierarchies: CgroupHierarchies
    /// Relative to each hierarchy's root, for example `fcctl/1f2e3d4c/machine`.
    package let path: String

    package struct Limits: Sendable, Hashable {
        package var memory: MemorySize?
        package var processes: Int?
        /// CPUs' worth of time; nil leaves it to the weight.
        package var cpus: Double?

        package init(memory: MemorySize? = nil, processes: Int? = nil, cpus: Double? = nil) {
            self.memory = memory
            self.processes = processes
            self.cpus = cpus
        }
    }

    /// Throws `EINVAL` for a path that could name something outside `parent`.
    package init(parent: String, id: String, hierarchies: CgroupHierarchies) throws(HostError) {
        let components = parent.split(separator: "/", omittingEmptySubsequences: false).map(String.init) + [id]
        for component in components
        where component.isEmpty || component.hasPrefix(".") || component.contains("/") || component.contains("\0") {
            throw HostError("name the cgroup", "\(parent)/\(id)", .invalidArgument)
        }
        self.hierarchies = hierarchies
        path = components.joined(separator: "/")
    }

    /// Makes the cgroup in every hierarchy and sets its limits; one that is left over and empty is used again.
    /// Returns the limits that are not in force; throws when there is nowhere it could be made, or when it is in use.
    package func create(_ limits: Limits) throws(HostError) -> [CgroupShortfall] {
        guard members().isEmpty else { throw HostError("create the cgroup", path, .fileExists) }
        var shortfalls = hierarchies.unenforced
        var firstFailure: HostError?
        var made = 0
        for place in hierarchies.used {
            do throws(HostError) {
                try make(in: place)
                made += 1
            } catch {
                firstFailure = firstFailure ?? error
            }
        }
        if made == 0 {
            throw firstFailure ?? HostError("create the cgroup", path, .noSuchFileOrDirectory)
        }
        for (controller, settings) in CgroupSetting.all(for: limits) {
            guard let place = hierarchies.place(of: controller) else { continue }
            let folder = place.mount.appending(path)
            for setting in settings where setting.version == place.version {
                do throws(HostError) {
                    try write(setting.value, to: folder.appending(setting.file))
                } catch {
                    if setting.isRequired {
                        shortfalls.append(CgroupShortfall(controller: controller, reason: error.description))
                    }
                }
            }
        }
        return shortfalls
    }

    /// Every process in it, as seen from our pid namespace.
    package func members() -> Set<Int32> {
        var pids: Set<Int32> = []
        for mount in hierarchies.mounts {
            // A hierarchy in which the cgroup does not exist has no members of it.
            guard let bytes = try? Files.read(mount.appending(path).appending("cgroup.procs")) else { continue }
            for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
                if let pid = Int32(line), pid > 0 { pids.insert(pid) }
            }
        }
        return pids
    }

    /// Kills every member, also those that are being made meanwhile, and waits until they are gone.
    /// Throws `ETIMEDOUT` when some are still there after `seconds`.
    package func kill(withinSeconds seconds: Int = 5) throws(HostError) {
        for _ in 0..<max(1, seconds * 100) {
            if let unified = hierarchies.unified {
                // Missing on kernels before 5.14 and when the cgroup is gone: the loop below does the work then.
                try? write("1", to: unified.appending(path).appending("cgroup.kill"))
            }
            let pids = members()
            if pids.isEmpty { return }
            for pid in pids {
                guard let process = try Self.open(pid) else { continue }
                // Looked up again after the open, so that a reused pid of a stranger is never signalled.
                guard members().contains(pid) else { continue }
                try process.signal(SIGKILL)
                _ = try process.wait(milliseconds: 10)
            }
        }
        guard members().isEmpty else { throw HostError("kill the processes in the cgroup", path, .timedOut) }
    }

    /// Removes it from every hierarchy, and the parents that are empty then. One that is gone is no error.
    package func remove() throws(HostError) {
        for mount in hierarchies.mounts {
            let folder = mount.appending(path)
            var result = removeFolder(folder)
            // A killed member leaves its cgroup a moment after it can be waited for.
            for _ in 0..<500 where result == EBUSY {
                usleep(1000)
                result = removeFolder(folder)
            }
            if result != 0, result != ENOENT {
                throw HostError("remove the cgroup", folder.string, Errno(rawValue: result))
            }
            var parent = folder.removingLastComponent()
            while parent != mount, removeFolder(parent) == 0 { parent.removeLastComponent() }
        }
    }

    package var exists: Bool { hierarchies.mounts.contains { Files.exists($0.appending(path)) } }

    /// Descriptors into which a process writes `0` to become a member; the caller closes them.
    func openMembership() throws(HostError) -> [Int32] {
        var descriptors: [Int32] = []
        for place in hierarchies.used {
            let folder = place.mount.appending(path)
            guard Files.exists(folder) else { continue }
            do throws(HostError) {
                descriptors.append(try Files.open(folder.appending("cgroup.procs"), O_WRONLY).release())
            } catch {
                for descriptor in descriptors { close(descriptor) }
                throw error
            }
        }
        return descriptors
    }

    private static func open(_ pid: Int32) throws(HostError) -> Pidfd? {
        do {
            return try Pidfd(opening: pid)
        } catch {
            if error.errno == .noSuchProcess { return nil }
            throw error
        }
    }

    private func make(in place: CgroupHierarchies.Place) throws(HostError) {
        let components = path.split(separator: "/").map(String.init)
        // Another process may remove an empty parent between two steps of ours: start again from the top then.
        for attempt in 0..<20 {
            var folder = place.mount
            var failure: HostError?
            for component in components {
                if place.version == .v2 { enableControllers(below: folder) }
                folder.append(component)
                let result = folder.withPlatformString { mkdir($0, 0o755) == 0 ? 0 : errno }
                if result != 0, result != EEXIST {
                    failure = HostError("create the cgroup", folder.string, Errno(rawValue: result))
                    break
                }
            }
            guard let failure else { return }
            if failure.errno != .noSuchFileOrDirectory || attempt == 19 { throw failure }
        }
    }

    /// What cannot be enabled here shows when the limit cannot be set.
    private func enableControllers(below folder: FilePath) {
        for controller in CgroupController.allCases where hierarchies.place(of: controller)?.version == .v2 {
            try? write("+\(controller.rawValue)", to: folder.appending("cgroup.subtree_control"))  // see above
        }
    }

    private func write(_ value: String, to file: FilePath) throws(HostError) {
        let descriptor = try Files.open(file, O_WRONLY)
        try AtomicFile.writeAll(Array(value.utf8), to: descriptor, path: file)
    }

    private func removeFolder(_ folder: FilePath) -> Int32 {
        folder.withPlatformString { rmdir($0) == 0 ? 0 : errno }
    }
}
