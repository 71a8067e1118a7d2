import VMM

/// Why a call of the API failed.
enum FirecrackerError: Error, Equatable {
    /// The connection could not be made or broke.
    case unreachable(String)
    case timedOut
    /// The API said no.
    case rejected(status: Int, fault: String)
    /// The API answered something that is not its language.
    case undecodable(String)

    func asVMMError(_ operation: String, processHasEnded: Bool, log: @autoclosure () -> String) -> VMMError {
        switch self {
        case .rejected(_, let fault): .rejected(.firecracker, operation: operation, message: fault)
        case _ where processHasEnded: .exited(.firecracker, log: log())
        case .unreachable(let reason): .unreachable(.firecracker, operation: operation, reason: reason)
        case .timedOut: .unreachable(.firecracker, operation: operation, reason: "no answer in time")
        case .undecodable(let text): .unreachable(.firecracker, operation: operation, reason: "it answered \(text)")
        }
    }
}
