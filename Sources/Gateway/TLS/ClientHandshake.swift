import MachinePool
import NIOCore
import NIOSSL
import NIOTLS

/// A client's connection until it is encrypted: the name it asks for picks the certificate, and the protocol it agrees on
/// what reads its requests.
final class ClientHandshake: ChannelInboundHandler, RemovableChannelHandler, WorkerLink {
    typealias InboundIn = ByteBuffer

    private let worker: Worker
    private(set) var deadline: UInt64 = 0
    private var context: ChannelHandlerContext?

    private init(worker: Worker) {
        self.worker = worker
    }

    /// Prepares an accepted channel.
    static func configure(_ channel: any Channel, worker: Worker, certificates: CertificateStore) throws {
        let handshake = ClientHandshake(worker: worker)
        let bound = NIOLoopBound(handshake, eventLoop: channel.eventLoop)
        let hello = ByteToMessageHandler(
            SNIHandler { result in
                channel.eventLoop.makeCompletedFuture { try bound.value.begin(channel, result, certificates) }
            })
        try channel.pipeline.syncOperations.addHandlers([hello, handshake])
    }

    /// The ClientHello has come; SNIHandler passes it on to whatever follows now.
    private func begin(_ channel: any Channel, _ hello: SNIResult, _ certificates: CertificateStore) throws {
        let name: String? = if case .hostname(let name) = hello { name } else { nil }
        guard let choice = certificates.context(for: name) else { return abort() }
        // Who asks for a name that is served here is about to send a request: a machine may start meanwhile. Scanners
        // that try addresses wake nobody.
        if choice.isKnown, !worker.isDraining { worker.pool.expectRequest() }
        try channel.pipeline.syncOperations.addHandler(
            NIOSSLServerHandler(context: choice.context), position: .before(self))
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        worker.add(self)
        deadline = worker.timers.handshake == 0 ? 0 : worker.coarseNow &+ worker.timers.handshake
        if !worker.admit(context.channel) || worker.isDraining { abort() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        worker.remove(self)
    }

    func channelInactive(context: ChannelHandlerContext) {
        worker.remove(self)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { return abort() }
        guard case .handshakeCompleted(let agreed)? = event as? TLSUserEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        let channel = context.channel
        do {
            if agreed == "h2" {
                try ClientConnection.configure(channel, worker: worker, isEncrypted: true)
            } else {
                try channel.pipeline.syncOperations.addHandler(
                    ClientHandler(worker: worker, transport: ClientTransport(isEncrypted: true)))
            }
            channel.pipeline.syncOperations.removeHandler(self).whenFailure { _ in channel.close(promise: nil) }
        } catch {
            abort()
        }
    }

    /// What is not TLS, or a version or cipher that is not spoken here.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { abort() }

    func expire() { abort() }

    /// No request was sent yet that could be lost.
    func drain() { abort() }

    func abort() { context?.close(promise: nil) }
}

extension ChannelHandlerContext {
    /// Closes the connection without the goodbye of TLS, which would tell the client that nothing is missing.
    func closeUnderTLS() {
        do {
            try pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self).close(promise: nil)
        } catch {
            close(promise: nil)
        }
    }
}
