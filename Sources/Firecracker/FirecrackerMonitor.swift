package import LinuxHost
package import Logging
package import NIOPosix
package import SystemPackage
import Telemetry
package import VMM

/// Starts and finds microVMs that run under Firecracker, in a jail unless told otherwise.
package struct FirecrackerMonitor: VMMonitor {
    package let binaries: FirecrackerBinaries
    private let jailBase: FilePath?
    private let kvm: KVMCapability
    private let hierarchies: CgroupHierarchies
    private let pool: NIOThreadPool
    private let logger: Logger

    /// `jailBase` is the folder in which jails are made: on a file system without `nodev`, best the one of the images,
    /// and with no parent that others may write to. With nil Firecracker runs unjailed.
    /// Throws `.unavailable` when a jail is asked for and there is no jailer.
    package init(
        binaries: FirecrackerBinaries, jailBase: FilePath?, kvm: KVMCapability, hierarchies: CgroupHierarchies,
        pool: NIOThreadPool = .singleton, logger: Logger
    ) throws(VMMError) {
        if jailBase != nil, binaries.jailer == nil {
            throw .unavailable(
                .firecracker,
                reason: """
                    there is no jailer beside \(binaries.firecracker.string) or on PATH: take it from the same \
                    release, or name it in FCCTL_JAILER
                    """)
        }
        self.binaries = binaries
        self.jailBase = jailBase
        self.kvm = kvm
        self.hierarchies = hierarchies
        self.pool = pool
        self.logger = logger
    }

    package var kind: VMMKind { .firecracker }
    package var version: String { binaries.version.description }
    package var executable: FilePath { binaries.firecracker }

    package var isolation: Isolation {
        if case .hardware = kvm { return .hardware }
        return .emulated
    }

    package var notices: [String] {
        var notices = hierarchies.unenforced.map(\.description)
        if let concern = binaries.version.concern { notices.append(concern) }
        if jailBase == nil {
            notices.append("Firecracker runs without its jailer: only its seccomp filters confine it")
        }
        return notices
    }

    package func launch(_ configuration: VMConfiguration) async throws(VMMError) -> any VirtualMachine {
        let launch = launch(of: configuration)
        let (machine, client) = try await start(launch, launch.bootRequests)
        return FirecrackerMachine(
            connection: machine, client: client,
            template: configuration.isTemplate ? FirecrackerTemplate(launch, pool: pool) : nil)
    }

    package func prepare(
        _ configuration: VMConfiguration, from snapshot: SnapshotFiles
    ) async throws(VMMError) -> any PreparedMachine {
        var launch = launch(of: configuration)
        launch.snapshot = snapshot
        let (machine, client) = try await start(launch, [.version])
        return FirecrackerPrepared(connection: machine, client: client)
    }

    private func launch(of configuration: VMConfiguration) -> FirecrackerLaunch {
        FirecrackerLaunch(
            configuration: configuration, binaries: binaries, jailBase: jailBase, hierarchies: hierarchies)
    }

    /// Spawns the process and makes the first calls over its connection.
    private func start(
        _ launch: FirecrackerLaunch, _ requests: [FirecrackerRequest]
    ) async throws(VMMError) -> (FirecrackerConnection, FirecrackerClient) {
        let configuration = launch.configuration
        let files = MachineFiles(configuration.directory)
        let (host, connection) = try await pool.offload { [logger] () throws(VMMError) in
            try launch.start(pool: pool) { shortfall in
                logger.warning(
                    "a limit of a machine is not in force",
                    metadata: [LogKeys.machine: "\(configuration.id)", LogKeys.error: "\(shortfall)"])
            }
        }
        let machine = FirecrackerConnection(host: host, files: files, logger: logger)
        do throws(VMMError) {
            let client = FirecrackerClient(OwnedDescriptor(connection))
            for request in requests {
                if Task.isCancelled { throw .cancelled }
                try await machine.send(request, over: client, within: .seconds(30))
            }
            return (machine, client)
        } catch {
            do throws(HostError) {
                try await host.end()
            } catch {
                logger.error("cannot remove all of a failed launch", metadata: [LogKeys.error: "\(error)"])
            }
            throw error
        }
    }

    package func attach(
        to record: VMProcess, id: String, directory: FilePath, cgroupParent: String
    ) async throws(VMMError) -> any VirtualMachine {
        let files = MachineFiles(directory)
        let cgroup = try cgroup(parent: cgroupParent, id: id)
        let host = try await MonitorProcess.find(
            record, cgroup: cgroup, leftovers: try leftovers(id: id, files), pool: pool)
        let machine = FirecrackerConnection(host: host, files: files, logger: logger)
        let socket: OwnedDescriptor
        do throws(HostError) {
            socket = try UnixSocket.connect(FilePath(record.socket))
        } catch {
            throw .unreachable(.firecracker, operation: "accept a connection", reason: error.description)
        }
        let client = FirecrackerClient(socket)
        let found = try await machine.get(.instance, as: InstanceInfo.self, over: client).id
        guard found == id else {
            client.close()
            throw .unreachable(
                .firecracker, operation: "tell its state", reason: "it runs the machine \(found), not \(id)")
        }
        return FirecrackerMachine(connection: machine, client: client)
    }

    package func sweep(id: String, directory: FilePath, cgroupParent: String) async throws(VMMError) {
        let cgroup = try cgroup(parent: cgroupParent, id: id)
        let paths = try leftovers(id: id, MachineFiles(directory))
        do throws(HostError) {
            try await MonitorProcess.sweep(cgroup, leftovers: paths, pool: pool)
        } catch {
            throw .host(error)
        }
    }

    private func cgroup(parent: String, id: String) throws(VMMError) -> Cgroup {
        do throws(HostError) {
            return try Cgroup(parent: parent, id: id, hierarchies: hierarchies)
        } catch {
            throw .host(error)
        }
    }

    private func leftovers(id: String, _ files: MachineFiles) throws(VMMError) -> [FilePath] {
        guard let jailBase else { return [files.socket] }
        do throws(HostError) {
            return try Jail.leftovers(base: jailBase, id: id) + [files.socket]
        } catch {
            throw .host(error)
        }
    }
}
