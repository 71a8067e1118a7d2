package import MachinePool

/// How the gateway reaches machines. It runs in the process that may enter their network namespaces.
package protocol UpstreamConnector: Sendable {
    /// A connected, non-blocking TCP socket to the machine's app, which the caller closes.
    ///
    /// Called only when no kept connection is at hand. Throws `UpstreamError`; not cancelled when the client leaves.
    func connect(to machine: MachineRef, timeout: Duration) async throws(UpstreamError) -> Int32

    /// A connected socket as from `connect` that is there already; asked for first, on an event loop.
    func takeConnection(to machine: MachineRef) -> Int32?

    /// What clients are told about a machine. Called once for each connection, on an event loop: cheap and without waiting.
    func describe(_ machine: MachineRef) -> UpstreamDescription
}

extension UpstreamConnector {
    package func takeConnection(to machine: MachineRef) -> Int32? { nil }
}

/// A machine as response headers name it.
package struct UpstreamDescription: Sendable, Equatable {
    package var id: String
    package var address: String?

    package init(id: String, address: String?) {
        self.id = id
        self.address = address
    }
}

/// Why there is no connection to a machine.
package enum UpstreamError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Nothing listens in the machine, or it is gone: it will not serve again.
    case refused
    /// It could not be tried, or went wrong in another way; with the kernel's reason.
    case unreachable(String)
    case timedOut
    /// The machine is gone or not running.
    case notRunning

    package var description: String {
        switch self {
        case .refused: "nothing listens where the app should"
        case .unreachable(let reason): "the app in the instance cannot be reached: \(reason)"
        case .timedOut: "the app in the instance did not accept a connection in time"
        case .notRunning: "the instance is not running"
        }
    }
}
