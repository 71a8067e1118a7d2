import HTTPWire
import MachinePool

/// Why a request is answered by the gateway and not by a machine. The only place where errors become HTTP.
enum ProxyFailure: Error {
    enum Origin: String { case client, gateway, instance }

    case malformed(WireError)
    case headerTimeout, bodyTimeout
    case tooManyConnections, tooManyOfClient
    case noMachine(PoolRejection)
    case unreachable(UpstreamError)
    /// The machine broke the connection before it answered.
    case broken
    case malformedResponse(WireError)
    case firstByteTimeout
    case requestTimeout
    /// The response stopped coming, or being taken, in its middle.
    case silentResponse, slowClient
    case tooManyInformational
    case misdirected, methodNotAllowed, subscribersFull

    var status: Int {
        switch self {
        case .malformed(let error): error.status
        case .headerTimeout, .bodyTimeout, .slowClient: 408
        case .misdirected: 421
        case .methodNotAllowed: 405
        case .tooManyConnections, .tooManyOfClient, .noMachine, .subscribersFull: 503
        case .unreachable(.timedOut), .firstByteTimeout, .requestTimeout, .silentResponse: 504
        case .unreachable, .broken, .malformedResponse, .tooManyInformational: 502
        }
    }

    var origin: Origin {
        switch self {
        case .malformed, .headerTimeout, .bodyTimeout, .misdirected, .methodNotAllowed, .slowClient: .client
        case .tooManyConnections, .tooManyOfClient, .noMachine, .subscribersFull, .requestTimeout: .gateway
        case .unreachable, .broken, .malformedResponse, .firstByteTimeout, .tooManyInformational, .silentResponse:
            .instance
        }
    }

    /// One of a fixed set of names, for metrics and `X-Fcctl-Error`.
    var label: String {
        switch self {
        case .malformed(let error): error.rawValue
        case .headerTimeout: "header-timeout"
        case .bodyTimeout: "body-timeout"
        case .tooManyConnections: "too-many-connections"
        case .tooManyOfClient: "too-many-connections-of-client"
        case .noMachine(.queueFull): "queue-full"
        case .noMachine(.queueTimeout): "queue-timeout"
        case .noMachine(.draining): "draining"
        case .noMachine(.failing): "instances-failing"
        case .unreachable: "instance-unreachable"
        case .broken: "instance-broke-connection"
        case .malformedResponse: "malformed-response"
        case .firstByteTimeout: "response-timeout"
        case .requestTimeout: "request-timeout"
        case .silentResponse: "response-stalled"
        case .slowClient: "client-too-slow"
        case .tooManyInformational: "too-many-informational"
        case .misdirected: "misdirected"
        case .methodNotAllowed: "method-not-allowed"
        case .subscribersFull: "subscribers-full"
        }
    }

    /// One sentence for the client. Nothing in it comes from a guest.
    var detail: String {
        switch self {
        case .malformed(let error): error.description
        case .headerTimeout: "The request head did not arrive in time."
        case .bodyTimeout: "The request body did not arrive in time."
        case .tooManyConnections: "The gateway holds as many connections as it may."
        case .tooManyOfClient: "This address holds as many connections as it may."
        case .noMachine(.queueFull): "All instances are busy and the queue is full."
        case .noMachine(.queueTimeout): "No instance became free in time."
        case .noMachine(.draining): "The gateway is shutting down."
        case .noMachine(.failing): "Instances of this app do not stay up; its log says why."
        case .unreachable(.timedOut): "The instance did not accept a connection in time."
        case .unreachable: "The instance cannot be reached."
        case .broken: "The instance closed the connection before it answered."
        case .malformedResponse: "The instance's answer is not valid HTTP."
        case .firstByteTimeout: "The instance did not answer in time."
        case .requestTimeout: "The request took longer than it may."
        case .silentResponse: "The instance stopped in the middle of its answer."
        case .slowClient: "The client did not take the answer in time."
        case .tooManyInformational: "The instance sent informational responses without end."
        case .misdirected: "This address is served to loopback names only."
        case .methodNotAllowed: "Only GET is offered here."
        case .subscribersFull: "The event stream has as many readers as it may."
        }
    }

    /// Seconds until it is worth asking again.
    var retryAfter: Int? {
        switch self {
        case .noMachine(let rejection):
            rejection.retryAfter.map { max(1, Int($0.components.seconds) + ($0.components.attoseconds > 0 ? 1 : 0)) }
        case .tooManyConnections, .tooManyOfClient, .subscribersFull: 1
        default: nil
        }
    }

    /// The error type of RFC 9209, for Proxy-Status.
    var proxyStatus: String {
        switch self {
        case .malformed, .misdirected, .methodNotAllowed: "http_request_error"
        case .headerTimeout, .bodyTimeout, .slowClient: "http_request_error"
        case .tooManyConnections, .tooManyOfClient, .subscribersFull: "connection_limit_reached"
        case .noMachine: "destination_unavailable"
        case .unreachable(.timedOut): "connection_timeout"
        case .unreachable: "connection_refused"
        case .broken: "http_response_incomplete"
        case .malformedResponse, .tooManyInformational: "http_protocol_error"
        case .firstByteTimeout, .requestTimeout, .silentResponse: "http_response_timeout"
        }
    }
}
