import LinuxHost
import NIOPosix
import SystemPackage
import VMM

/// What is needed to capture a machine that was launched as a template.
struct FirecrackerTemplate: Sendable {
    /// Where Firecracker writes what it calls `mem` and `state`.
    let folder: FilePath
    let scratchDisk: FilePath?
    /// Diff files of memory above 3 GiB are corrupt before 1.14.2.
    let needsFull: Bool
    let pool: NIOThreadPool

    init(_ launch: FirecrackerLaunch, pool: NIOThreadPool) {
        folder = launch.jail?.root ?? launch.configuration.directory
        scratchDisk = launch.configuration.scratchDisk
        needsFull =
            launch.configuration.memory > .mebibytes(3 << 10) && launch.binaries.version < FirecrackerVersion(1, 14, 2)
        self.pool = pool
    }

    /// Moves the files of the snapshot out of the machine's folder, and takes them away from its user.
    func collect(into snapshot: SnapshotFiles) async throws(VMMError) {
        do throws(HostError) {
            try await pool.offload { () throws(HostError) in
                try take("state", to: snapshot.state)
                try take("mem", to: snapshot.memory)
                if let scratchDisk {
                    try SparseFile.copy(scratchDisk, to: snapshot.scratchDisk, mode: 0o444)
                    try Files.sync(snapshot.scratchDisk)
                }
            }
        } catch {
            throw .host(error)
        }
    }

    private func take(_ name: String, to target: FilePath) throws(HostError) {
        try Files.rename(folder.appending(name), to: target)
        try Files.seize(target)
    }
}
