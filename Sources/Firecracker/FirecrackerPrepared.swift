import LinuxHost
import VMM

/// A Firecracker with its API connection open and the snapshot's files at hand, waiting to load them.
final class FirecrackerPrepared: PreparedMachine {
    private let connection: FirecrackerConnection
    private let client: FirecrackerClient

    init(connection: FirecrackerConnection, client: FirecrackerClient) {
        self.connection = connection
        self.client = client
    }

    var process: VMProcess { connection.host.record }
    var hasEnded: Bool { connection.host.exit.hasEnded }

    /// `PUT /snapshot/load {…,"resume_vm":true}`.
    func restore() async throws(VMMError) -> any VirtualMachine {
        try await connection.send(.loadSnapshot, over: client, within: .seconds(10))
        return FirecrackerMachine(connection: connection, client: client)
    }

    var restoreNow: (@Sendable () throws(VMMError) -> any VirtualMachine)? {
        { [connection, client] () throws(VMMError) in
            try connection.sendNow(.loadSnapshot, over: client, within: .seconds(10))
            return FirecrackerMachine(connection: connection, client: client)
        }
    }

    func destroy() async {
        await FirecrackerMachine(connection: connection, client: client).destroy()
    }
}
