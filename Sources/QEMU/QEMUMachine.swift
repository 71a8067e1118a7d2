import LinuxHost
import Logging
import Telemetry
import VMM

/// One microVM under QEMU, with its QMP connection.
final class QEMUMachine: VirtualMachine {
    let host: MonitorProcess
    let client: QMPClient
    private let files: MachineFiles
    private let logger: Logger
    private let template: QEMUTemplate?

    /// `template` where the machine may be captured.
    init(
        host: MonitorProcess, client: QMPClient, files: MachineFiles, logger: Logger, template: QEMUTemplate? = nil
    ) {
        self.host = host
        self.client = client
        self.files = files
        self.logger = logger
        self.template = template
    }

    var process: VMProcess { host.record }

    func pause() async throws(VMMError) {
        try await perform("pause the machine") { () throws(QMPError) in try await client.execute(QMPCommand("stop")) }
    }

    func resume() async throws(VMMError) {
        try await perform("resume the machine") { () throws(QMPError) in try await client.execute(QMPCommand("cont")) }
    }

    func isPaused() async throws(VMMError) -> Bool {
        let status = try await perform("tell its state") { () throws(QMPError) in try await client.status() }
        return !status.running
    }

    /// Stops the machine and migrates it into a file, without its memory, which is in one already.
    func capture(to snapshot: SnapshotFiles) async throws(VMMError) {
        guard let template else {
            throw .rejected(.qemu, operation: "write a snapshot", message: "the machine was not started as a template")
        }
        try await pause()
        try await perform("write a snapshot") { () throws(QMPError) in
            try await client.saveState()
        }
        do throws(HostError) { try await template.write(to: snapshot) } catch { throw .host(error) }
    }

    func waitForExit() async {
        await host.exit.wait()
    }

    func detach() async {
        await client.close()
    }

    func destroy() async {
        await client.close()
        do throws(HostError) {
            try await host.end()
        } catch {
            logger.error("cannot remove all of a machine", metadata: [LogKeys.error: "\(error)"])
        }
    }

    @discardableResult
    func perform<Result>(
        _ operation: String, _ body: () async throws(QMPError) -> Result
    ) async throws(VMMError) -> Result {
        do throws(QMPError) {
            return try await body()
        } catch {
            throw error.asVMMError(operation, processHasEnded: host.exit.hasEnded, log: MachineFiles.tail(files.log))
        }
    }
}

extension QMPError {
    func asVMMError(_ operation: String, processHasEnded: Bool, log: @autoclosure () -> String) -> VMMError {
        if processHasEnded { return .exited(.qemu, log: log()) }
        return switch self {
        case .refused(let message): .rejected(.qemu, operation: operation, message: message)
        case .closed: .unreachable(.qemu, operation: operation, reason: "it closed the connection")
        case .timedOut: .unreachable(.qemu, operation: operation, reason: "no answer in time")
        case .tooLong: .unreachable(.qemu, operation: operation, reason: "its answer is too long")
        case .undecodable(let text): .unreachable(.qemu, operation: operation, reason: "it answered \(text)")
        case .transport(let text): .unreachable(.qemu, operation: operation, reason: text)
        }
    }
}
