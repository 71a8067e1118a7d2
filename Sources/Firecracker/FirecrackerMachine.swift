import LinuxHost
import Logging
import NIOPosix
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
    func pause() async throws(VMMError) { try await connection.send(.pause, over: client) }

    /// `PATCH /vm {"state":"Resumed"}`.
    func resume() async throws(VMMError) { try await connection.send(.resume, over: client) }

    func beginResume() -> (@Sendable () throws(VMMError) -> Void)? {
        let call = client.begin(.resume)
        return { [connection, client] () throws(VMMError) in try connection.finish(call, .resume, over: client) }
    }

    /// Its pause only keeps the vCPU threads from running: time stamp counter and kvm-clock are the host's and go on.
    var keepsTime: Bool { true }

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
        client.close()
    }

    func destroy() async {
        client.close()
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

    /// Apart from the threads that spawn, kill and remove: requests wait for these calls. More than cores, because a
    /// call waits for Firecracker most of its time.
    private static let threads: NIOThreadPool = {
        let threads = NIOThreadPool(numberOfThreads: 8)
        threads.start()
        return threads
    }()

    func send(
        _ request: FirecrackerRequest, over client: FirecrackerClient, within timeout: Duration = .seconds(5)
    ) async throws(VMMError) {
        try await Self.threads.offload { () throws(VMMError) in try sendNow(request, over: client, within: timeout) }
    }

    /// Blocks meanwhile.
    func sendNow(
        _ request: FirecrackerRequest, over client: FirecrackerClient, within timeout: Duration = .seconds(5)
    ) throws(VMMError) {
        do throws(FirecrackerError) {
            try client.send(request, within: timeout)
        } catch {
            throw explain(error, request)
        }
    }

    /// Blocks until the call that was begun is answered.
    func finish(
        _ call: FirecrackerClient.Call, _ request: FirecrackerRequest, over client: FirecrackerClient
    ) throws(VMMError) {
        do throws(FirecrackerError) { try client.finish(call) } catch { throw explain(error, request) }
    }

    func get<Answer: Decodable & Sendable>(
        _ request: FirecrackerRequest, as type: Answer.Type, over client: FirecrackerClient
    ) async throws(VMMError) -> Answer {
        do throws(FirecrackerError) {
            return try await Self.threads.offload { () throws(FirecrackerError) in try client.get(request, as: type) }
        } catch {
            throw explain(error, request)
        }
    }

    private func explain(_ error: FirecrackerError, _ request: FirecrackerRequest) -> VMMError {
        error.asVMMError(
            request.operation, processHasEnded: host.exit.hasEnded, log: MachineFiles.tail(files.log))
    }
}
