package import HTTPWire

/// Which headers tell the client about the instance that answered.
package enum InstanceHeaders: String, Sendable, CaseIterable {
    /// X-Instance-Id, X-Instance-Ip, X-Latency-Ms, X-Start-Type, Server-Timing.
    case all
    /// X-Instance-Id alone.
    case id
    case none
}

/// What is spoken to the app in a machine.
package enum AppProtocol: String, Sendable, CaseIterable {
    case http1
    /// HTTP/2 without TLS, as gRPC servers speak it.
    case h2c
    /// HTTP/2 if the app answers its preface, else HTTP/1.1; found out once.
    case auto
}

/// How long the gateway waits. Zero means for ever.
package struct GatewayTimeouts: Sendable, Equatable {
    /// From the first byte of a request head to its last. Then: 408.
    package var header: Duration = .seconds(10)
    /// From a connection to the end of its TLS handshake. Then: the end. For `serve` the same as `header`.
    package var handshake: Duration = .seconds(10)
    /// In each such span a body must bring, and a client must take, `minimumRate` bytes a second. Then: 408, or the end.
    package var bodyIdle: Duration = .seconds(30)
    /// For a connection to a machine. Then: another try, then 504.
    package var connect: Duration = .seconds(10)
    /// From the request to the first byte of its response. Then: 504.
    package var firstByte: Duration = .seconds(300)
    /// Between two pieces of a response. Long, because event streams are silent for long.
    package var responseIdle: Duration = .seconds(3600)
    /// From the request to the end of its response, whatever is under way. Then: 504, or the end. Zero: no such limit.
    package var request: Duration = .zero
    /// Between two requests of a client's connection.
    package var keepAlive: Duration = .seconds(75)
    /// How long an unused connection to a machine is kept.
    package var upstreamIdle: Duration = .seconds(60)
    /// Without a byte in either direction of an upgraded connection.
    package var tunnelIdle: Duration = .seconds(3600)
    /// How long an upgraded connection outlives the beginning of a drain.
    package var tunnelDrain: Duration = .seconds(30)
    /// After a request with `Expect: 100-continue` went out, until the gateway answers 100 itself.
    package var expectation: Duration = .seconds(1)

    package init() {}
}

/// What the gateway accepts.
package struct GatewayLimits: Sendable, Equatable {
    package var head = HeadLimits()
    /// Client connections at once. Never more than four fifths of the process's descriptors.
    package var connections = 20_000
    /// Client connections at once from one address, or one IPv6 network of 64 bits; trusted proxies may have more.
    package var connectionsPerClient = 10_000
    /// Requests at once on one HTTP/2 connection.
    package var streams = 100
    /// Requests over one HTTP/2 connection to a machine, in all its life. Its streams have ids for twice as many.
    package var streamsPerMachineLink = 1 << 29
    /// Bytes of a request body. Nil: no limit, bodies are streamed.
    package var body: UInt64?
    /// Bytes of a request that are kept so that it can be sent again.
    package var replay = 64 * 1024
    /// Bytes a second, over `GatewayTimeouts.bodyIdle`.
    package var minimumRate = 240
    /// Informational responses before the final one.
    package var informational = 16
    /// Readers of `/api/events`.
    package var subscribers = 64

    package init() {}
}

/// Everything the user may set about the gateway. The defaults are those of `fcctl serve`.
package struct GatewayConfiguration: Sendable, Equatable {
    /// A numeric address, or a name.
    package var host = "127.0.0.1"
    /// Zero: any free port; `Gateway.start` returns it.
    package var port = 8080
    package var timeouts = GatewayTimeouts()
    package var limits = GatewayLimits()
    package var instanceHeaders = InstanceHeaders.all
    package var appProtocol = AppProtocol.http1
    /// Nil: plain HTTP.
    package var tls: TLSSettings?
    /// Peers whose X-Forwarded-*, X-Real-IP and Forwarded are kept and added to.
    package var trustedProxies: [AddressBlock] = []
    /// Keeps X-Request-Id of every client, not only of trusted proxies.
    package var keepsRequestIDs = false
    /// Repeats what bears an Idempotency-Key as if its method were idempotent.
    package var repeatsIdempotencyKeys = false
    /// Answers `/api/…` on this port, while it listens on loopback and is asked for by a loopback name.
    package var servesAdmin = true

    package init() {}
}
