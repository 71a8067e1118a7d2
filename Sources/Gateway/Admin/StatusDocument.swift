import MachinePool

/// What `/api/status` says beyond the pool.
struct GatewayStatus: Encodable {
    var connections: Int
    var refusedConnections: UInt64
    /// Nil without an access log.
    var accessLog: AccessLogWriter.Counts?
    /// Nil without HTTPS.
    var tls: [CertificateStatus]?

    private enum CodingKeys: String, CodingKey {
        case connections
        case refusedConnections = "refused_connections"
        case accessLog = "access_log"
        case tls
    }
}

/// `/api/status`: the pool's members, and the gateway's under a name of its own.
struct StatusDocument: Encodable {
    let pool: PoolStatus
    let gateway: GatewayStatus

    private enum CodingKeys: CodingKey { case gateway }

    func encode(to encoder: any Encoder) throws {
        try pool.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(gateway, forKey: .gateway)
    }
}
