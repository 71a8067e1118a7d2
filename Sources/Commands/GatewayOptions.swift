import ArgumentParser
import Gateway
import HTTPWire
import LinuxHost

/// How `serve` treats clients and machines as a proxy: time-outs, limits, headers, retries and the access log.
struct GatewayOptions: ParsableArguments {
    @Option(name: .long, help: "Access log: json, common (nginx's combined format) or off.")
    var accessLog = AccessLogOption.off

    @Option(
        name: .long, help: "Where the access log goes; SIGHUP opens it anew (default: stdout).", completion: .file())
    var accessLogFile: String?

    @Flag(name: .long, help: "Log paths and referers with their query, which may hold secrets.")
    var accessLogQuery = false

    @Option(
        name: .long, parsing: .singleValue,
        help:
            "Address or CIDR of a proxy in front whose X-Forwarded-*, Forwarded, X-Real-IP and X-Request-Id are kept; repeatable."
    )
    var trustedProxy: [AddressBlock] = []

    @Flag(name: .long, help: "Keep X-Request-Id of every client.")
    var keepRequestIds = false

    @Option(
        name: .long,
        help: "What responses tell about the instance: all, id (X-Instance-Id alone) or none.")
    var instanceHeaders = InstanceHeaders.all

    @Option(
        name: .long,
        help: "What the app speaks: http1, h2c (HTTP/2 without TLS, as gRPC servers do) or auto, which asks it once.")
    var appProtocol = AppProtocol.http1

    @Option(
        name: .long, help: "From the first byte of a request head to its last; then 408. For a TLS handshake as well.")
    var headerTimeout = TimeOption(.seconds(10))

    @Option(
        name: .long, help: "A body of less than 240 bytes a second over this long is a 408; who takes less is cut off.")
    var bodyTimeout = TimeOption(.seconds(30))

    @Option(name: .long, help: "For a connection to a machine; then 504.")
    var connectTimeout = TimeOption(.seconds(10))

    @Option(name: .long, help: "From the request to the first byte of its response; then 504.")
    var responseTimeout = TimeOption(.seconds(300))

    @Option(name: .long, help: "Between two pieces of a response; then it breaks off.")
    var streamTimeout = TimeOption(.seconds(3600))

    @Option(name: .long, help: "For a request and its whole response; then 504, or it breaks off. 0: no limit.")
    var requestTimeout = TimeOption(.zero)

    @Option(name: .long, help: "Between two requests of a client's connection.")
    var keepAliveTimeout = TimeOption(.seconds(75))

    @Option(name: .long, help: "Without a byte in either direction of an upgraded connection.")
    var tunnelIdleTimeout = TimeOption(.seconds(3600))

    @Option(name: .long, help: "How long SIGTERM leaves upgraded connections open, --drain-timeout at most.")
    var tunnelDrainTimeout = TimeOption(.seconds(30))

    @Option(name: .long, help: "Bytes of a request head; above: 431.")
    var maxHeaderBytes = 64 * 1024

    @Option(name: .long, help: "Fields of a request head; above: 431.")
    var maxHeaders = 128

    @Option(name: .long, help: "Bytes of a request target; above: 414.")
    var maxTargetBytes = 8 * 1024

    @Option(name: .long, help: "Size of a request body; above: 413 (default: no limit).")
    var maxBody: MemorySize?

    @Option(name: .long, help: "Client connections at once; above: 503.")
    var maxConnections = 20_000

    @Option(
        name: .long,
        help:
            "Client connections at once from one address, trusted proxies excepted; above: 503 (default: half of --max-connections)."
    )
    var maxConnectionsPerClient: Int?

    @Option(name: .long, help: "Requests at once on one HTTP/2 connection; more are refused.")
    var maxStreams = 100

    @Flag(name: .long, help: "Send a request with an Idempotency-Key again like a GET when its machine dies.")
    var retryIdempotencyKeys = false

    func validate() throws {
        let times = [
            ("--header-timeout", headerTimeout), ("--body-timeout", bodyTimeout), ("--connect-timeout", connectTimeout),
            ("--keep-alive-timeout", keepAliveTimeout),
        ]
        for (name, time) in times where time.duration <= .zero { throw ValidationError("\(name) is more than 0.") }
        guard (1024...1 << 20).contains(maxHeaderBytes) else {
            throw ValidationError("--max-header-bytes is 1024 to 1048576.")
        }
        guard (1...10_000).contains(maxHeaders) else { throw ValidationError("--max-headers is 1 to 10000.") }
        guard (16...maxHeaderBytes).contains(maxTargetBytes) else {
            throw ValidationError("--max-target-bytes is a number from 16 to --max-header-bytes, \(maxHeaderBytes).")
        }
        guard maxConnections > 0, maxConnectionsPerClient ?? 1 > 0 else {
            throw ValidationError("--max-connections and --max-connections-per-client are at least 1.")
        }
        guard (1...10_000).contains(maxStreams) else { throw ValidationError("--max-streams is 1 to 10000.") }
        if accessLog == .off, accessLogFile != nil || accessLogQuery {
            throw ValidationError("--access-log-file and --access-log-query need --access-log json or common.")
        }
    }

    /// Everything but the address to listen on.
    var configuration: GatewayConfiguration {
        var configuration = GatewayConfiguration()
        configuration.appProtocol = appProtocol
        configuration.instanceHeaders = instanceHeaders
        configuration.trustedProxies = trustedProxy
        configuration.keepsRequestIDs = keepRequestIds
        configuration.repeatsIdempotencyKeys = retryIdempotencyKeys
        configuration.timeouts.header = headerTimeout.duration
        configuration.timeouts.handshake = headerTimeout.duration
        configuration.timeouts.bodyIdle = bodyTimeout.duration
        configuration.timeouts.connect = connectTimeout.duration
        configuration.timeouts.firstByte = responseTimeout.duration
        configuration.timeouts.responseIdle = streamTimeout.duration
        configuration.timeouts.request = requestTimeout.duration
        configuration.timeouts.keepAlive = keepAliveTimeout.duration
        configuration.timeouts.tunnelIdle = tunnelIdleTimeout.duration
        configuration.timeouts.tunnelDrain = tunnelDrainTimeout.duration
        configuration.limits.head.head = maxHeaderBytes
        configuration.limits.head.field = min(configuration.limits.head.field, maxHeaderBytes)
        configuration.limits.head.fields = maxHeaders
        configuration.limits.head.target = maxTargetBytes
        configuration.limits.body = maxBody?.bytes
        configuration.limits.streams = maxStreams
        configuration.limits.connections = maxConnections
        configuration.limits.connectionsPerClient = maxConnectionsPerClient ?? max(1, maxConnections / 2)
        return configuration
    }

    /// Nil when nothing is logged.
    var accessLogConfiguration: AccessLogConfiguration? {
        guard let format = accessLog.format else { return nil }
        var configuration = AccessLogConfiguration()
        configuration.format = format
        configuration.destination = accessLogFile.map { .file($0) } ?? .stdout
        configuration.showsQuery = accessLogQuery
        return configuration
    }

    /// Lines on the terminal would run through the live block.
    var logsToTerminal: Bool { accessLog != .off && accessLogFile == nil && Output.stdoutIsTerminal }
}

enum AccessLogOption: String, ExpressibleByArgument, CaseIterable {
    case json, common, off

    var format: AccessLogFormat? {
        switch self {
        case .json: .json
        case .common: .common
        case .off: nil
        }
    }
}

extension InstanceHeaders: ExpressibleByArgument {}
extension AppProtocol: ExpressibleByArgument {}

extension AddressBlock: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}
