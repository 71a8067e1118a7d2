import MachinePool
import NIOCore
import NIOHTTP2

/// An HTTP/2 connection to a machine: all exchanges of one event loop with it are streams of this one.
final class MachineLink: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame

    let machine: MachineRef
    let ready: EventLoopPromise<Void>
    /// Kept when streams can be opened.
    var opened: EventLoopFuture<NIOLoopBound<MachineLink>>?
    private let end = ConnectionEnd(linger: .milliseconds(100))
    private let store: MachineLinks
    private let worker: Worker
    private var context: ChannelHandlerContext?
    private var multiplexer: NIOHTTP2Handler.StreamMultiplexer?
    private(set) var streams = 0
    /// Streams that may still be opened.
    private var room: Int
    private(set) var idleDeadline: UInt64 = .max
    private var isReady = false
    /// No more streams are opened.
    private(set) var isRetired = false
    /// The last stream that the machine says it will answer, once it has said goodbye.
    private var lastAnswered: HTTP2StreamID?

    init(machine: MachineRef, store: MachineLinks, worker: Worker) {
        self.machine = machine
        self.store = store
        self.worker = worker
        room = max(1, worker.configuration.limits.streamsPerMachineLink)
        ready = worker.loop.makePromise()
    }

    func configure(_ channel: any Channel) throws {
        if isRetired { throw UpstreamError.notRunning }
        let handler = NIOHTTP2Handler(
            mode: .client, eventLoop: channel.eventLoop, connectionConfiguration: MachineLinkSettings.connection,
            streamConfiguration: MachineLinkSettings.stream
        ) { channel in
            // Nothing was asked that a machine could push.
            channel.close()
        }
        try channel.pipeline.syncOperations.addHandlers([end, handler, self])
        multiplexer = try handler.syncMultiplexer()
    }

    /// It has carried its share of streams; another connection would carry the next.
    var isWornOut: Bool { room == 0 }

    /// Opens a stream for one exchange. Fails with `UpstreamError`.
    func open(_ handler: UpstreamHandler) -> EventLoopFuture<NIOLoopBound<UpstreamHandler>> {
        guard !isRetired, let multiplexer else {
            return worker.loop.makeFailedFuture(UpstreamError.unreachable("its connection is closing"))
        }
        streams += 1
        idleDeadline = .max
        room -= 1
        if isWornOut { retire() }
        let bound = NIOLoopBound((self, handler), eventLoop: worker.loop)
        let opened = worker.loop.makePromise(of: (any Channel).self)
        multiplexer.createStreamChannel(promise: opened) { channel in
            channel.closeFuture.whenComplete { _ in bound.value.0.streamEnded() }
            return channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandlers([MachineStream(link: bound.value.0), bound.value.1])
            }
        }
        let loop = worker.loop
        return opened.futureResult.flatMapThrowing { _ in
            guard bound.value.1.isOpen else { throw UpstreamError.unreachable("it closed the connection at once") }
            return NIOLoopBound(bound.value.1, eventLoop: loop)
        }
    }

    private func streamEnded() {
        streams -= 1
        guard streams == 0 else { return }
        if isRetired { return close() }
        let span = worker.timers.upstreamIdle
        idleDeadline = span == 0 ? .max : worker.coarseNow &+ span
    }

    func close() {
        retire()
        end.cut()
        context?.close(promise: nil)
    }

    private func retire() {
        guard !isRetired else { return }
        isRetired = true
        store.remove(self)
    }

    /// Whether a stream ended because the machine has not looked at it, and never will (RFC 9113 8.7).
    func isRefusal(_ error: any Error) -> Bool {
        guard let closed = error as? NIOHTTP2Errors.StreamClosed else { return false }
        return closed.errorCode == .refusedStream || lastAnswered.map { closed.streamID > $0 } ?? false
    }

    /// How long a machine may take to say its settings, which it does unasked.
    private static let patience = TimeAmount.seconds(2)

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let bound = NIOLoopBound(self, eventLoop: worker.loop)
        worker.loop.scheduleTask(in: Self.patience) { if !bound.value.isReady { bound.value.close() } }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data).payload {
        case .settings where !isReady:
            isReady = true
            ready.succeed(())
        case .goAway(let last, _, _):
            lastAnswered = last
            retire()
            if streams == 0 { close() }
        default: break
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Half a connection is of no use to HTTP/2.
        if case .inputClosed? = event as? ChannelEvent { return close() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // What could not be written is in the encoder's table and not in the machine's: no later head would be right.
        let isOutOfStep = error is NIOHTTP2Errors.UnableToSerializeFrame
        if !isReady || end.hasFailed || isOutOfStep || error is IOError || error is ChannelError { close() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        retire()
        // Kept already unless the machine did not even say its settings.
        if !isReady { ready.fail(NotHTTP2()) }
        context.fireChannelInactive()
    }
}

/// The machine did nothing with the request: whatever it is, it may be sent again.
struct StreamRefused: Error {}

/// The machine took the connection and did not answer in HTTP/2.
struct NotHTTP2: Error {}
