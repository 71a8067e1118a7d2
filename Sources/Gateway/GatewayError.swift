/// Why the gateway does not start.
package enum GatewayError: Error, Sendable, Equatable, CustomStringConvertible {
    case portInUse(host: String, port: Int)
    case permissionDenied(port: Int)
    case addressUnavailable(host: String, reason: String)
    case logUnavailable(path: String, reason: String)
    case certificate(CertificateError)

    package var description: String {
        switch self {
        case .portInUse(let host, let port):
            "port \(port) on \(host) is in use by another program; stop it or choose another with --port"
        case .permissionDenied(let port): "port \(port) needs root; choose one above 1023 with --port"
        case .addressUnavailable(let host, let reason):
            "\(host) is not an address this machine can listen on (\(reason)); choose another with --host"
        case .logUnavailable(let path, let reason):
            "the access log \(path) cannot be opened (\(reason)); choose another with --access-log-file"
        case .certificate(let error): error.description
        }
    }
}
