import LinuxHost
import Logging
import NIOCore
import Telemetry
import VMM

/// One microVM under Firecracker, with its API connection.
final class FirecrackerMachine: VirtualMachine {
    private let connection: FirecrackerConnection
    private let client: FirecrackerClient
    private let template: FirecrackerTemplate?

    /// `template` where the machine may be captured.
    init(connection: FirecrackerConnection, client: FirecrackerClient, template: FirecrackerTemplate? = nil) {
        self.connection = connection
        self.client = client
        self.template = template
    }

    var process: VMProcess { connection.host.record }

    /// `PATCH /vm {"state":"Paused"}`.
    func pause() async throws(VMMError) { try await connection.send(.state(.paused), over: client) }

    /// `PATCH /vm {"state":"Resumed"}`.
    func resume() async throws(VMMError) { try await connection.send(.state(.resumed), over: client) }

    /// `GET /`.
    func isPaused() async throws(VMMError) -> Bool {
        try await connection.get(.instance, as: InstanceInfo.self, over: client).state == "Paused"
    }

    /// `PATCH /vm {"state":"Paused"}`, then `PUT /snapshot/create`.
    func capture(to snapshot: SnapshotFiles) async throws(VMMError) {
        guard let template else {
            throw .rejected(
                .firecracker, operation: "write a snapshot", message: "the machine was not started as a template")
        }
        try await pause()
        try await connection.send(
            .createSnapshot(full: template.needsFull), over: client, within: .seconds(120))
        try await template.collect(into: snapshot)
    }

    func waitForExit() async {
        await connection.host.exit.wait()
    }

    func detach() async {
        await client.close()
    }

    func destroy() async {
        await client.close()
        do throws(HostError) {
            try await connection.host.end()
        } catch {
            connection.logger.error("cannot remove all of a machine", metadata: [LogKeys.error: "\(error)"])
        }
    }
}

/// Calls whose failures are explained by what became of the process.
struct FirecrackerConnection: Sendable {
    let host: MonitorProcess
    let files: MachineFiles
    let logger: Logger

    func open(_ socket: consuming OwnedDescriptor, group: any EventLoopGroup) async throws(VMMError)
        -> FirecrackerClient
    {
        do throws(FirecrackerError) {
            return try await FirecrackerClient.open(socket, group: group)
        } catch {
            throw explain(error, "accept a connection")
        }
    }

    func send(
        _ request: FirecrackerRequest, over client: FirecrackerClient, within timeout: TimeAmount = .seconds(5)
    ) async throws(VMMError) {
        do throws(FirecrackerError) {
            try await client.send(request, within: timeout)
        } catch {
            throw explain(error, request.operation)
        }
    }

    func get<Answer: Decodable>(
        _ request: FirecrackerRequest, as type: Answer.Type, over client: FirecrackerClient
    ) async throws(VMMError) -> Answer {
        do throws(FirecrackerError) {
            return try await client.get(request, as: type)
        } catch {
            throw explain(error, request.operation)
        }
    }

    private func explain(_ error: FirecrackerError, _ operation: String) -> VMMError {
        error.asVMMError(operation, processHasEnded: host.exit.hasEnded, log: MachineFiles.tail(files.log))
    }
}
