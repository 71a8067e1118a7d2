import Glibc
package import Logging
package import MachinePool
import NIOConcurrencyHelpers
package import NIOCore
import NIOPosix

/// HTTP in, HTTP out: accepts clients, and proxies each request to a machine that the pool grants.
package final class Gateway: Sendable {
    private struct State: Sendable {
        var workers: [(loop: any EventLoop, worker: NIOLoopBound<Worker>)] = []
        var listeners: [any Channel] = []
        var tasks: [RepeatedTask] = []
        var feed: Task<Void, Never>?
    }

    let configuration: GatewayConfiguration
    private let pool: Pool
    private let connector: any UpstreamConnector
    let group: any EventLoopGroup
    let logger: Logger
    private let log: AccessLogWriter?
    private let census: NIOLockedValueBox<ConnectionCensus>
    private let state = NIOLockedValueBox(State())

    /// Nothing happens until `start`. The pool must be running, and the group must outlive the gateway.
    package init(
        configuration: GatewayConfiguration, pool: Pool, connector: any UpstreamConnector, group: any EventLoopGroup,
        accessLog: AccessLogWriter? = nil,
        logger: Logger = Logger(label: "fcctl") { _ in SwiftLogNoOpLogHandler() }
    ) {
        self.configuration = configuration
        log = accessLog
        let limits = configuration.limits
        census = NIOLockedValueBox(
            ConnectionCensus(
                limit: min(limits.connections, Self.descriptors * 4 / 5), perClient: limits.connectionsPerClient))
        self.pool = pool
        self.connector = connector
        self.group = group
        self.logger = logger
    }

    /// Listens, and returns the address, with the port that was free if none was asked for. With `accepting` false
    /// clients wait in the backlog until `accept`.
    package func start(accepting: Bool = true) async throws(GatewayError) -> SocketAddress {
        let certificates = try await loadCertificates()
        let feed = EventFeed(limit: configuration.limits.subscribers)
        let isLoopback = Self.isLoopback(configuration.host)
        let admin =
            configuration.servesAdmin && isLoopback
            ? AdminRoutes(pool: pool, feed: feed, census: census, log: log, certificates: certificates) : nil
        await makeWorkers(admin)
        let listener: any Channel
        do throws(GatewayError) {
            listener = try await listen(certificates, accepting)
        } catch {
            await closeListeners()
            await stop()
            throw error
        }
        if let certificates { watch(certificates) }
        if admin != nil {
            // Ends with the drain, which cancels it.
            let task = Task { [pool] in await feed.run(pool) }
            state.withLockedValue { $0.feed = task }
        }
        guard let address = listener.localAddress else {
            throw .addressUnavailable(host: configuration.host, reason: "the socket has no address")
        }
        return address
    }

    /// Serves the clients that wait, and all that come.
    package func accept() async {
        for listener in state.withLockedValue({ $0.listeners }) {
            // Fails only when the listener is closed, and then there is nobody to serve.
            try? await listener.setOption(.autoRead, value: true).get()
        }
    }

    /// Stops accepting and returns when every request begun has been answered, or after `deadline`, when the rest is cut off.
    package func drain(deadline: Duration) async {
        await closeListeners()
        let workers = state.withLockedValue { $0.workers }
        let finished = workers.map { entry in
            entry.loop.flatSubmit { () -> EventLoopFuture<Void> in
                let promise = entry.loop.makePromise(of: Void.self)
                entry.worker.value.drain(promise)
                return promise.futureResult
            }
        }
        if let loop = workers.first?.loop {
            let all = EventLoopFuture.andAllComplete(finished, on: loop)
            let late = loop.scheduleTask(in: .nanoseconds(deadline.nanoseconds)) {
                for entry in workers { entry.loop.execute { entry.worker.value.closeExchanges() } }
            }
            let tunnels = min(configuration.timeouts.tunnelDrain, deadline)
            let lateTunnels = loop.scheduleTask(in: .nanoseconds(tunnels.nanoseconds)) {
                for entry in workers { entry.loop.execute { entry.worker.value.closeTunnels() } }
            }
            // The future has no error: what fails has finished.
            try? await all.get()
            late.cancel()
            lateTunnels.cancel()
        }
        await stop()
    }

    /// Closes every connection to the machine, before it is paused or ended. Requests it still holds are broken off.
    /// Returns when the connections are closed.
    package func closeUpstreams(of machine: MachineRef) async {
        for entry in state.withLockedValue({ $0.workers }) {
            // Fails only when the loop is shut down, and then nothing is open.
            try? await entry.loop.submit { entry.worker.value.upstreams.close(machine) }.get()
        }
    }

    private func makeWorkers(_ admin: AdminRoutes?) async {
        var loops: [any EventLoop] = []
        for loop in group.makeIterator() { loops.append(loop) }
        let count = loops.count
        for loop in loops {
            let made = loop.submit { [configuration, pool, connector, log, census] in
                let worker = Worker(
                    loop: loop, configuration: configuration, pool: pool, connector: connector, admin: admin, log: log,
                    census: census, loops: count)
                let bound = NIOLoopBound(worker, eventLoop: loop)
                let tick = TimeAmount.nanoseconds(Int64(worker.timers.tick))
                let task = loop.scheduleRepeatedTask(initialDelay: tick, delay: tick) { _ in bound.value.sweep() }
                return (bound, task)
            }
            // Fails only when the group is shut down, and then there is nothing to accept with.
            guard let (worker, task) = try? await made.get() else { continue }
            state.withLockedValue {
                $0.workers.append((loop, worker))
                $0.tasks.append(task)
            }
        }
    }

    /// The port for requests, and the one that leads there; nothing is answered before both are there.
    private func listen(_ certificates: CertificateStore?, _ accepting: Bool) async throws(GatewayError) -> any Channel
    {
        let listener = try await bind(port: configuration.port, accepting) { channel, worker in
            if let certificates {
                try ClientHandshake.configure(channel, worker: worker, certificates: certificates)
            } else {
                try channel.pipeline.syncOperations.addHandler(ClientHandler(worker: worker))
            }
        }
        if let redirect = configuration.tls?.redirectPort, let port = listener.localAddress?.port {
            _ = try await bind(port: redirect, accepting) { channel, worker in
                try channel.pipeline.syncOperations.addHandler(RedirectHandler(worker: worker, port: port))
            }
        }
        return listener
    }

    /// Where plain HTTP is redirected from, once started.
    package var redirectAddress: SocketAddress? {
        state.withLockedValue { $0.listeners.dropFirst().first?.localAddress }
    }

    private func bind(
        port: Int, _ accepting: Bool, _ initialize: @escaping @Sendable (any Channel, Worker) throws -> Void
    ) async throws(GatewayError) -> any Channel {
        let workers = state.withLockedValue { state in
            Dictionary(uniqueKeysWithValues: state.workers.map { (ObjectIdentifier($0.loop), $0.worker) })
        }
        do {
            let listener = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 4096)
                .serverChannelOption(.autoRead, value: accepting)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelOption(.allowRemoteHalfClosure, value: true)
                .childChannelOption(.writeBufferWaterMark, value: .init(low: 32 * 1024, high: 128 * 1024))
                .childChannelOption(
                    .recvAllocator,
                    value: AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 2048, maximum: 65_536)
                )
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        guard let worker = workers[ObjectIdentifier(channel.eventLoop)] else { return }
                        try initialize(channel, worker.value)
                    }
                }
                .bind(host: configuration.host, port: port).get()
            state.withLockedValue { $0.listeners.append(listener) }
            return listener
        } catch {
            throw Self.explain(error, configuration.host, port)
        }
    }

    private func closeListeners() async {
        let listeners = state.withLockedValue { state in
            defer { state.listeners = [] }
            return state.listeners
        }
        // A listener that is closed already is what was wanted.
        for listener in listeners { try? await listener.close().get() }
    }

    /// Cancelled when the gateway stops.
    func keep(_ task: RepeatedTask) { state.withLockedValue { $0.tasks.append(task) } }

    private func stop() async {
        let (workers, tasks, feed) = state.withLockedValue { state in
            defer { (state.workers, state.tasks, state.feed) = ([], [], nil) }
            return (state.workers, state.tasks, state.feed)
        }
        feed?.cancel()
        for task in tasks { task.cancel() }
        for entry in workers {
            // Fails only when the loop is shut down, and then nothing is open.
            try? await entry.loop.submit { entry.worker.value.closeAll() }.get()
        }
    }

    /// How many files and sockets this process may have open.
    private static var descriptors: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max / 8 }
        return Int(clamping: min(limit.rlim_cur, 1 << 40))
    }

    /// Whether only this machine can reach the address.
    private static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    private static func explain(_ error: any Error, _ host: String, _ port: Int) -> GatewayError {
        guard let error = error as? IOError else { return .addressUnavailable(host: host, reason: "\(error)") }
        switch error.errnoCode {
        case EADDRINUSE: return .portInUse(host: host, port: port)
        case EACCES: return .permissionDenied(port: port)
        default: return .addressUnavailable(host: host, reason: "\(error.description)")
        }
    }
}
