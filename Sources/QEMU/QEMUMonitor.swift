import Glibc
package import LinuxHost
package import Logging
package import NIOCore
package import NIOPosix
package import SystemPackage
import Telemetry
package import VMM

/// Starts and finds microVMs that run under QEMU's `microvm` machine.
package struct QEMUMonitor: VMMonitor {
    package let binary: QEMUBinary
    package let accelerator: QEMUAccelerator
    private let hierarchies: CgroupHierarchies
    private let sealed = SealedMemory()
    private let group: any EventLoopGroup
    private let pool: NIOThreadPool
    private let logger: Logger

    /// `accelerator` nil takes KVM where the hardware has it.
    package init(
        binary: QEMUBinary, kvm: KVMCapability, accelerator: QEMUAccelerator? = nil, hierarchies: CgroupHierarchies,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, pool: NIOThreadPool = .singleton,
        logger: Logger
    ) {
        self.binary = binary
        if case .hardware = kvm {
            self.accelerator = accelerator ?? .kvm
        } else {
            self.accelerator = accelerator ?? .tcg
        }
        self.hierarchies = hierarchies
        self.group = group
        self.pool = pool
        self.logger = logger
    }

    package var kind: VMMKind { .qemu }
    package var version: String { binary.version }
    package var executable: FilePath { binary.path }
    package var isolation: Isolation { accelerator == .kvm ? .hardware : .emulated }
    package var notices: [String] { hierarchies.unenforced.map(\.description) }

    package func launch(_ configuration: VMConfiguration) async throws(VMMError) -> any VirtualMachine {
        try await start(configuration) { () throws(HostError) in
            configuration.isTemplate ? try QEMUMemory(size: configuration.memory) : nil
        }
    }

    package func prepare(
        _ configuration: VMConfiguration, from snapshot: SnapshotFiles
    ) async throws(VMMError) -> any PreparedMachine {
        let machine = try await start(configuration) { [sealed] () throws(HostError) in try sealed.open(snapshot) }
        return QEMUPrepared(machine)
    }

    private func start(
        _ configuration: VMConfiguration, memory: @escaping @Sendable () throws(HostError) -> QEMUMemory?
    ) async throws(VMMError) -> QEMUMachine {
        let files = MachineFiles(configuration.directory)
        let (host, shortfalls, template, memory) = try await pool.offload {
            [binary, accelerator, hierarchies, pool] () throws(VMMError) in
            var launch = QEMULaunch(
                configuration: configuration, binary: binary, accelerator: accelerator, hierarchies: hierarchies)
            do throws(HostError) { launch.memory = try memory() } catch { throw VMMError.host(error) }
            let (host, shortfalls) = try launch.start(pool: pool)
            let template = launch.memory.flatMap { memory in
                memory.isSnapshot
                    ? nil : QEMUTemplate(memory: memory, scratchDisk: configuration.scratchDisk, pool: pool)
            }
            return (host, shortfalls, template, launch.memory)
        }
        for shortfall in shortfalls {
            logger.warning(
                "a limit of a machine is not in force",
                metadata: [LogKeys.machine: "\(configuration.id)", LogKeys.error: "\(shortfall)"])
        }
        do throws(QMPError) {
            // Connecting needs no wait: the socket has been listening since before QEMU was started.
            let client = try await connect(files.socket, within: .seconds(20), id: configuration.id, memory)
            do throws(QMPError) {
                if Task.isCancelled { throw .closed }  // `explain` sees the cancellation itself
            } catch {
                await client.close()
                throw error
            }
            return QEMUMachine(host: host, client: client, files: files, logger: logger, template: template)
        } catch {
            let failure = await Self.explain(error, host, log: files.log)
            do throws(HostError) {
                try await host.end()
            } catch {
                logger.error("cannot remove all of a failed launch", metadata: [LogKeys.error: "\(error)"])
            }
            throw failure
        }
    }

    package func attach(
        to record: VMProcess, id: String, directory: FilePath, cgroupParent: String
    ) async throws(VMMError) -> any VirtualMachine {
        let files = MachineFiles(directory)
        let host = try await MonitorProcess.find(
            record, cgroup: try cgroup(parent: cgroupParent, id: id), leftovers: [files.socket], pool: pool)
        do throws(QMPError) {
            let client = try await connect(FilePath(record.socket), within: .seconds(2), id: id)
            return QEMUMachine(host: host, client: client, files: files, logger: logger)
        } catch .timedOut {
            throw .unreachable(
                .qemu, operation: "take control of the machine",
                reason: "another process controls it at the moment, and QEMU serves one at a time")
        } catch {
            throw error.asVMMError(
                "take control of the machine", processHasEnded: host.exit.hasEnded, log: MachineFiles.tail(files.log))
        }
    }

    package func sweep(id: String, directory: FilePath, cgroupParent: String) async throws(VMMError) {
        let cgroup = try cgroup(parent: cgroupParent, id: id)
        do throws(HostError) {
            try await MonitorProcess.sweep(cgroup, leftovers: [MachineFiles(directory).socket], pool: pool)
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

    private func connect(
        _ path: FilePath, within timeout: TimeAmount, id: String, _ memory: QEMUMemory? = nil
    ) async throws(QMPError) -> QMPClient {
        let socket = try Self.connect(path)
        // As the client takes the socket over, and only for as long as it takes to hand the state's file to QEMU.
        let second = memory == nil ? nil : try Self.second(socket)
        let client = try await QMPClient.open(socket, within: timeout, group: group) { [logger] event in
            logger.debug("event of a machine", metadata: [LogKeys.machine: "\(id)", "event": "\(event)"])
        }
        guard let memory, let second else { return client }
        do throws(QMPError) {
            try await client.prepareMigration(state: memory.state, over: second.descriptor)
        } catch {
            await client.close()
            throw error
        }
        return client
    }

    private static func connect(_ path: FilePath) throws(QMPError) -> OwnedDescriptor {
        do throws(HostError) { return try UnixSocket.connect(path) } catch { throw .transport(error.description) }
    }

    private static func second(_ socket: borrowing OwnedDescriptor) throws(QMPError) -> QMPSocket {
        do throws(HostError) { return QMPSocket(try socket.duplicate()) } catch { throw .transport(error.description) }
    }

    /// A closed connection right after the start means that QEMU did not like something; its log says what.
    private static func explain(_ error: QMPError, _ host: MonitorProcess, log: FilePath) async -> VMMError {
        if Task.isCancelled { return .cancelled }
        switch error {
        case .closed, .transport:
            host.exit.kill()
            await host.exit.waitUncancelled()
            return .exited(.qemu, log: MachineFiles.tail(log))
        default:
            return error.asVMMError("start", processHasEnded: host.exit.hasEnded, log: MachineFiles.tail(log))
        }
    }
}

/// A second descriptor of a connection.
private final class QMPSocket: Sendable {
    let descriptor: OwnedDescriptor

    init(_ descriptor: consuming OwnedDescriptor) {
        self.descriptor = descriptor
    }
}
