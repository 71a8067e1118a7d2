import FoundationEssentials
import LinuxHost
import NIOCore

/// Saving and loading the state of a machine whose memory is in a file of its own.
extension QMPClient {
    /// The name under which QEMU holds the file of the state.
    private static var stateName: String { "state" }

    /// Before `saveState` and `loadState`: memory in shared files stays where it is, migrations announce their steps,
    /// and QEMU gets the file of the state. `socket` is that of this connection, over which nothing else may be under way.
    func prepareMigration(state: borrowing OwnedDescriptor, over socket: borrowing OwnedDescriptor)
        async throws(QMPError)
    {
        do throws(HostError) {
            // Past the channel, which cannot send descriptors. Nobody has the id 0, so nobody waits for the answer: if
            // it is no, the file will not be found.
            let command = QMPCommand("getfd", arguments: #"{"fdname":"\#(Self.stateName)"}"#)
            try UnixSocket.send(Array(command.line(id: 0).utf8), with: state, over: socket)
        } catch {
            throw .transport(error.description)
        }
        let capabilities = ["x-ignore-shared", "events"].map { #"{"capability":"\#($0)","state":true}"# }
        try await execute(
            QMPCommand(
                "migrate-set-capabilities", arguments: #"{"capabilities":[\#(capabilities.joined(separator: ","))]}"#))
    }

    /// Writes the state to its file; the vCPUs must be stopped.
    func saveState() async throws(QMPError) {
        try await execute(QMPCommand("migrate", arguments: #"{"uri":"fd:\#(Self.stateName)"}"#))
        try await waitForEvents(within: .seconds(60)) { () throws(QMPError) in
            let answer = try await query("query-migrate", as: MigrationStatus.self)
            if answer.status == "failed" || answer.status == "cancelled" {
                throw .refused(answer.errorDescription ?? "the migration \(answer.status ?? "")")
            }
            return answer.status == "completed"
        }
    }

    /// Reads the state from its file; the vCPUs stay stopped. QEMU ends when it does not like what it reads.
    func loadState() async throws(QMPError) {
        try await execute(QMPCommand("migrate-incoming", arguments: #"{"uri":"fd:\#(Self.stateName)"}"#))
        try await waitForEvents(within: .seconds(10)) { () throws(QMPError) in try await status().name != "inmigrate" }
    }

    /// Looks at `isDone` now and after each event.
    private func waitForEvents(
        within timeout: TimeAmount, isDone: () async throws(QMPError) -> Bool
    ) async throws(QMPError) {
        let deadline = endEvents(in: timeout)
        defer { deadline.cancel() }
        var events = self.events.makeAsyncIterator()
        while try await !isDone() {
            guard await events.next() != nil else {
                // Closed, and then asking says why; or too late.
                _ = try await status()
                throw .timedOut
            }
        }
    }

    private struct MigrationStatus: Decodable {
        let status: String?
        let errorDescription: String?

        enum CodingKeys: String, CodingKey {
            case status
            case errorDescription = "error-desc"
        }
    }
}
