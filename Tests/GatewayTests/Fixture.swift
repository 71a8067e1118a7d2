import Gateway
import MachinePool
import NIOCore
import NIOPosix

/// A gateway with its pool before one scripted app, for one body.
struct Fixture: Sendable {
    let gateway: Gateway
    let pool: Pool
    let app: ScriptedApp
    let log: AccessLogWriter?
    let port: Int
    let group: MultiThreadedEventLoopGroup

    func client() async throws -> RawClient { try await RawClient.connect(port, on: group) }

    /// One request on a connection of its own.
    func ask(_ request: String) async throws -> String {
        let client = try await client()
        try await client.send(request)
        let response = try await client.response()
        try await client.close()
        return response
    }

    /// Waits until `condition` holds; false if it does not within five seconds.
    func eventually(_ condition: @Sendable () -> Bool) async throws -> Bool {
        for _ in 0..<500 {
            if condition() { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return condition()
    }

    /// No lease is out, and nobody waits.
    func isAtRest() async throws -> Bool {
        try await eventually {
            let requests = pool.status().requests
            return requests.active == 0 && requests.queued == 0
        }
    }
}

func withGateway(
    _ script: @escaping ScriptedApp.Script,
    log: AccessLogConfiguration? = nil,
    upstreams: [String]? = nil,
    configure: (inout GatewayConfiguration, inout PoolConfiguration) -> Void = { _, _ in },
    connector: (StaticUpstreams) -> any UpstreamConnector = { $0 },
    _ body: (Fixture) async throws -> Void
) async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    let app = try await ScriptedApp.start(on: group, script)
    var configuration = GatewayConfiguration()
    configuration.port = 0
    var pools = PoolConfiguration()
    pools.max = 4
    pools.concurrency = 4
    configure(&configuration, &pools)
    let driver = try StaticUpstreams(upstreams ?? ["127.0.0.1:\(app.port)"])
    let pool = Pool(configuration: pools, driver: driver)
    driver.attach(pool)
    let writer = try log.map { try AccessLogWriter($0) }
    let gateway = Gateway(
        configuration: configuration, pool: pool, connector: connector(driver), group: group, accessLog: writer)
    let result: Result<Void, any Error> = await withTaskGroup { tasks in
        tasks.addTask { await pool.run() }
        let result: Result<Void, any Error>
        do {
            let address = try await gateway.start()
            let fixture = Fixture(
                gateway: gateway, pool: pool, app: app, log: writer, port: address.port ?? 0, group: group)
            try await body(fixture)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await gateway.drain(deadline: .seconds(1))
        await pool.drain(deadline: .seconds(1))
        await writer?.close(on: group.next())
        tasks.cancelAll()
        return result
    }
    try await app.stop()
    try await group.shutdownGracefully()
    try result.get()
}

/// A request for `path` with these further lines.
func get(_ path: String, _ lines: String = "") -> String { "GET \(path) HTTP/1.1\r\nHost: app\r\n\(lines)\r\n" }

/// A response with a length.
func ok(_ body: String) -> ScriptedApp.Step {
    .send("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
}
