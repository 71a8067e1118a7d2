import HTTPWire
import NIOConcurrencyHelpers
import NIOCore

/// What carries a client's requests to its `ClientHandler`.
struct ClientTransport: Equatable {
    var isEncrypted = false
    /// One of the streams of an HTTP/2 connection, which the handler sees as a connection with a single request.
    var isStream = false

    static let plain = ClientTransport()

    var scheme: String { isEncrypted ? "https" : "http" }
    /// As in Via (RFC 9110 7.6.3).
    var version: String { isStream ? "2.0" : "1.1" }
}

/// What requests say about the client that they come from; the same for all of a connection.
struct ClientPeer {
    let lines: PeerLines
    /// As text, for the access log; empty where there is none.
    let address: [UInt8]
}

extension Worker {
    /// A stream's context knows no address, its channel knows that of the connection.
    func peer(of channel: any Channel, _ transport: ClientTransport) -> ClientPeer {
        let address = channel.remoteAddress
        let isTrusted = address.map { address in configuration.trustedProxies.contains { $0.contains(address) } }
        let text = address?.ipAddress ?? "unknown"
        return ClientPeer(
            lines: PeerLines(
                address: text, scheme: transport.scheme, port: channel.localAddress?.port ?? configuration.port,
                version: transport.version, isTrusted: isTrusted ?? false),
            address: accessLog == nil ? [] : Array(text.utf8))
    }

    /// Counts a connection that is no `ClientHandler`'s own, for as long as its channel is open. False: it is one too many.
    func admit(_ channel: any Channel) -> Bool {
        let address = channel.remoteAddress
        let isTrusted = address.map { address in configuration.trustedProxies.contains { $0.contains(address) } }
        let client: ConnectionCensus.Client? =
            isTrusted ?? false
            ? nil : (address?.ipAddress).flatMap(AddressBlock.parse).map(ConnectionCensus.Client.init)
        let verdict = census.withLockedValue { $0.arrive(client) }
        channel.closeFuture.whenComplete { [census] _ in census.withLockedValue { $0.leave(client) } }
        return verdict == .admitted
    }
}

/// A connection of a client that has no `ClientHandler` of its own.
protocol WorkerLink: AnyObject {
    /// When `expire` is called, on the clock of `Worker.now`. Zero: never.
    var deadline: UInt64 { get }

    func expire()
    /// Nothing new is begun; what is in flight finishes.
    func drain()
    func abort()
}
