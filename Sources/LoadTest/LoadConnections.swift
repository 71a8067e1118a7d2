import Glibc
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix

/// A connection and what sends on it.
struct LoadConnection: Sendable {
    let channel: any Channel
    let handler: NIOLoopBound<ExchangeHandler>
}

/// Kept-alive connections to the target, most recently used first.
final class LoadConnections: Sendable {
    private let target: LoadTarget
    private let timeout: Duration
    private let group: any EventLoopGroup
    private let idle = NIOLockedValueBox<[LoadConnection]>([])

    init(_ target: LoadTarget, timeout: Duration, group: any EventLoopGroup) {
        self.target = target
        self.timeout = timeout
        self.group = group
    }

    /// One request and its whole answer. Cancelled, it breaks the connection off.
    ///
    /// A kept connection that turns out to be closed is no failure of the server: the request goes out on another one.
    func send(_ path: String? = nil, keepsBody: Bool = false) async throws(ExchangeFailure) -> Reply {
        while let connection = idle.withLockedValue({ $0.popLast() }) {
            guard connection.channel.isActive else { continue }
            do throws(ExchangeFailure) {
                return try await send(path ?? target.path, on: connection, keepsBody: keepsBody)
            } catch .broken(untouched: true) {
                if Task.isCancelled { throw .broken(untouched: true) }
            }
        }
        return try await send(path ?? target.path, on: try await open(), keepsBody: keepsBody)
    }

    func close() async {
        let connections = idle.withLockedValue { idle in
            defer { idle = [] }
            return idle
        }
        for connection in connections {
            // Closed already is what was wanted.
            try? await connection.channel.close().get()
        }
    }

    /// Opens a connection and keeps it; for finding out whether anything listens.
    func probe() async throws(ExchangeFailure) {
        let connection = try await open()
        idle.withLockedValue { $0.append(connection) }
    }

    private func send(
        _ path: String, on connection: LoadConnection, keepsBody: Bool
    ) async throws(ExchangeFailure) -> Reply {
        let channel = connection.channel
        let promise = channel.eventLoop.makePromise(of: Reply.self)
        let exchange = Exchange(
            head: HTTPRequestHead(
                version: .http1_1, method: .GET, uri: path,
                headers: ["Host": target.authority, "User-Agent": "fcctl-stress", "Accept": "*/*"]),
            timeout: .nanoseconds(Int64(timeout / .nanoseconds(1))), keepsBody: keepsBody, promise: promise)
        do {
            let reply = try await withTaskCancellationHandler {
                channel.eventLoop.execute { connection.handler.value.begin(exchange) }
                return try await promise.futureResult.get()
            } onCancel: {
                channel.close(promise: nil)
            }
            if reply.isReusable {
                idle.withLockedValue { $0.append(connection) }
            } else {
                channel.close(promise: nil)
            }
            return reply
        } catch {
            channel.close(promise: nil)
            throw error as? ExchangeFailure ?? .broken(untouched: true)
        }
    }

    private func open() async throws(ExchangeFailure) -> LoadConnection {
        do {
            let channel = try await ClientBootstrap(group: group)
                .connectTimeout(.nanoseconds(Int64(min(timeout, .seconds(5)) / .nanoseconds(1))))
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let pipeline = channel.pipeline.syncOperations
                        try pipeline.addHTTPClientHandlers(leftOverBytesStrategy: .dropBytes)
                        try pipeline.addHandler(ExchangeHandler())
                    }
                }
                .connect(host: target.host, port: target.port).get()
            let handler = try await channel.eventLoop.submit {
                NIOLoopBound(
                    try channel.pipeline.syncOperations.handler(type: ExchangeHandler.self),
                    eventLoop: channel.eventLoop)
            }.get()
            return LoadConnection(channel: channel, handler: handler)
        } catch {
            throw .connect(Self.reason(error))
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as IOError: strerror(error.errnoCode).map { String(cString: $0) } ?? "error \(error.errnoCode)"
        case is SocketAddressError: "the host has no address"
        case ChannelError.connectTimeout: "timeout"
        case let error as NIOConnectionError:
            if let first = error.connectionErrors.first {
                reason(first.error)
            } else {
                "the host has no address"
            }
        default: "failed"
        }
    }
}
