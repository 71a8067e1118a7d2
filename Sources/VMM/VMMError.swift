package import LinuxHost

/// Why a virtual machine monitor did not do what was asked.
package enum VMMError: Error, CustomStringConvertible {
    /// The binary or something it needs on this host is missing; the text says what to do.
    case unavailable(VMMKind, reason: String)
    /// A host call before or around the VMM failed.
    case host(HostError)
    /// The VMM answered, and the answer was no.
    case rejected(VMMKind, operation: String, message: String)
    /// The VMM could not be spoken to.
    case unreachable(VMMKind, operation: String, reason: String)
    /// The VMM ended; `log` is the end of what it printed.
    case exited(VMMKind, log: String)
    /// The recorded process is no longer there, or its pid belongs to somebody else.
    case gone(VMMKind)
    case cancelled

    package var description: String {
        switch self {
        case .unavailable(let kind, let reason): "\(kind.rawValue) cannot be used here: \(reason)"
        case .host(let error): error.description
        case .rejected(let kind, let operation, let message): "\(kind.rawValue) refused to \(operation): \(message)"
        case .unreachable(let kind, let operation, let reason):
            "\(kind.rawValue) did not answer when asked to \(operation): \(reason)"
        case .exited(let kind, let log):
            log.isEmpty ? "\(kind.rawValue) ended unexpectedly" : "\(kind.rawValue) ended unexpectedly: \(log)"
        case .gone(let kind): "the \(kind.rawValue) process of this machine is gone"
        case .cancelled: "cancelled"
        }
    }
}
