package import LinuxHost
package import NIOPosix
package import SystemPackage

/// The host's side of a running VMM: its process, its cgroup and what is left on disk when it ends.
package final class MonitorProcess: Sendable {
    package let record: VMProcess
    package let exit: ProcessExit
    private let cgroup: Cgroup
    private let leftovers: [FilePath]
    private let pool: NIOThreadPool

    /// `leftovers` are files and folders that belong to the process alone.
    package init(
        record: VMProcess, exit: ProcessExit, cgroup: Cgroup, leftovers: [FilePath], pool: NIOThreadPool = .singleton
    ) {
        self.record = record
        self.exit = exit
        self.cgroup = cgroup
        self.leftovers = leftovers
        self.pool = pool
    }

    /// Kills the process and all that it started, waits until they are gone, and removes the traces. Idempotent; goes
    /// through even when the task is cancelled.
    package func end() async throws(HostError) {
        exit.kill()
        await exit.waitUncancelled()
        try await MonitorProcess.sweep(cgroup, leftovers: leftovers, pool: pool)
    }

    /// The same for a machine of which only the names are known.
    package static func sweep(
        _ cgroup: Cgroup, leftovers: [FilePath], pool: NIOThreadPool = .singleton
    ) async throws(HostError) {
        try await pool.offload { () throws(HostError) in
            try cgroup.kill()
            try cgroup.remove()
            for path in leftovers { try Files.removeTree(path) }
        }
    }

    /// Finds the process of a record again; throws `.gone` unless it is alive and the same one.
    package static func find(
        _ record: VMProcess, cgroup: Cgroup, leftovers: [FilePath], pool: NIOThreadPool = .singleton
    ) async throws(VMMError) -> MonitorProcess {
        let exit: ProcessExit? = try await pool.offload { () throws(VMMError) in
            do throws(HostError) {
                guard let process = try Pidfd.find(record.pid, startTime: record.startTime) else { return nil }
                guard cgroup.members().contains(record.pid) else { return nil }
                return try ProcessExit.watch(process)
            } catch {
                throw .host(error)
            }
        }
        guard let exit else { throw .gone(record.kind) }
        return MonitorProcess(record: record, exit: exit, cgroup: cgroup, leftovers: leftovers, pool: pool)
    }
}
