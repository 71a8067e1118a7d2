import HTTPWire
import NIOCore
import NIOHTTP2

/// A client's HTTP/2 connection: its settings, its idle time, its end. Its requests are streams, each with a
/// `ClientHandler` of its own.
final class ClientConnection: ChannelInboundHandler, WorkerLink {
    typealias InboundIn = HTTP2Frame

    private let worker: Worker
    private let end: ConnectionEnd
    private(set) var deadline: UInt64 = 0
    private var context: ChannelHandlerContext?
    private var streams = 0
    private var isEnding = false
    private var malformed = 0
    private var hasEnded = false
    /// What its streams say about the client.
    private var peer: ClientPeer?
    private var taking = TakingWatch()
    /// The next deadline is for a look at what the client has taken.
    private var isWatching = false

    private init(worker: Worker) {
        self.worker = worker
        end = ConnectionEnd(linger: .nanoseconds(Int64(worker.timers.linger)))
    }

    /// Makes an HTTP/2 connection of a channel that has no handlers but those of TLS.
    static func configure(_ channel: any Channel, worker: Worker, isEncrypted: Bool) throws {
        let connection = ClientConnection(worker: worker)
        let bound = NIOLoopBound(connection, eventLoop: channel.eventLoop)
        let lifetime = NIOHTTP2ServerConnectionManagementHandler(
            eventLoop: channel.eventLoop,
            configuration: .init(maxIdleTime: nil, maxAge: nil, maxGraceTime: nil, keepalive: nil))
        let multiplexer = NIOHTTP2Handler(
            mode: .server, eventLoop: channel.eventLoop,
            connectionConfiguration: HTTP2Settings.client(streams: worker.configuration.limits.streams),
            streamConfiguration: HTTP2Settings.stream, streamDelegate: lifetime.http2StreamDelegate
        ) { channel in
            channel.eventLoop.makeCompletedFuture { try bound.value.begin(channel, isEncrypted: isEncrypted) }
        }
        try channel.pipeline.syncOperations.addHandlers([connection.end, multiplexer, lifetime, connection])
    }

    private func begin(_ channel: any Channel, isEncrypted: Bool) throws {
        let transport = ClientTransport(isEncrypted: isEncrypted, isStream: true)
        let peer = self.peer ?? worker.peer(of: channel, transport)
        self.peer = peer
        let client = ClientHandler(worker: worker, transport: transport, client: peer)
        try channel.pipeline.syncOperations.addHandlers([ClientStream(client: client, connection: self), client])
        streams += 1
        if !isWatching { deadline = 0 }
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        channel.closeFuture.whenComplete { _ in bound.value.streamEnded() }
    }

    /// Counts a malformed head. False: it was one too many, and the connection ends.
    func bears(_: WireError) -> Bool {
        malformed += 1
        if malformed <= HTTP2Settings.mostMalformed { return true }
        guard !end.hasFailed, let context else { return false }
        let goodbye = HTTP2Frame.FramePayload.goAway(
            lastStreamID: .rootStream, errorCode: .enhanceYourCalm, opaqueData: nil)
        context.writeAndFlush(NIOAny(HTTP2Frame(streamID: .rootStream, payload: goodbye)), promise: nil)
        endOnce(context)
        return false
    }

    /// Closed twice, the end would not wait for the client to read the goodbye.
    private func endOnce(_ context: ChannelHandlerContext) {
        if hasEnded { return }
        hasEnded = true
        context.close(promise: nil)
    }

    private func streamEnded() {
        streams -= 1
        if streams == 0 { watchTaking() }
    }

    private func wait(_ span: UInt64) { deadline = span == 0 ? 0 : worker.coarseNow &+ span }

    /// From now on the client must take what was written for it, whichever stream it is of.
    private func watchTaking() {
        guard !isWatching else { return }
        isWatching = true
        taking.forget()
        wait(worker.timers.tick)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        worker.add(self)
        wait(worker.timers.header)
        let increment = HTTP2Settings.connectionWindow - 65_535
        let frame = HTTP2Frame(streamID: .rootStream, payload: .windowUpdate(windowSizeIncrement: increment))
        context.writeAndFlush(NIOAny(frame), promise: nil)
        if worker.isDraining { drain() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        worker.remove(self)
    }

    func channelInactive(context: ChannelHandlerContext) {
        worker.remove(self)
        context.fireChannelInactive()
    }

    /// Whoever says goodbye opens no further stream; the streams that are open finish.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .goAway = unwrapInboundIn(data).payload { drain() }
    }

    /// The client sends nothing more: without an end of its own, no request of this connection can be told from a lost one.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { return abort() }
        context.fireUserInboundEventTriggered(event)
    }

    /// A broken rule of the connection has been answered with GOAWAY: what follows is the end of the connection, when
    /// that frame has left (RFC 9113 5.4.1). Errors of single streams stay in their channels.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if end.hasFailed {
            endOnce(context)
        } else if error is NIOHTTP2Errors.UnableToSerializeFrame {
            // What could not be written is in our encoder's table and not in the client's: no later head would be right.
            abort()
        } else if error is IOError || error is ChannelError {
            context.close(promise: nil)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if !context.channel.isWritable { watchTaking() }
        context.fireChannelWritabilityChanged()
    }

    /// False: the client owes nothing but its own silence.
    private func expireTaking(_ context: ChannelHandlerContext) -> Bool {
        let verdict = taking.look(
            written: end.written, owed: context.unacknowledged, now: worker.coarseNow, span: worker.timers.bodyIdle,
            rate: worker.configuration.limits.minimumRate)
        switch verdict {
        case .owedNothing:
            guard isWatching else { return false }
            isWatching = false
            if streams == 0 { wait(isEnding ? worker.timers.linger : worker.timers.keepAlive) }
        case .keepsUp:
            isWatching = true
            deadline = taking.end
        case .tooSlow:
            end.cut()
            context.resetsWhenClosed()
            context.closeUnderTLS()
        }
        return true
    }

    /// Idle for long, or asked to end and not gone: then it is cut off.
    func expire() {
        deadline = 0
        if let context, expireTaking(context) { return }
        if isEnding || streams > 0 { return abort() }
        drain()
        wait(worker.timers.linger)
    }

    func drain() {
        guard !isEnding, let context else { return }
        isEnding = true
        context.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        guard streams == 0 else { return }
        isWatching = false
        wait(worker.timers.linger)
    }

    func abort() {
        end.cut()
        context?.close(promise: nil)
    }
}

/// What clients may do on one connection.
enum HTTP2Settings {
    static let connectionWindow = 1 << 20
    /// Heads are sent in one frame of at most 16 KiB; this much fits however it is encoded, but for exotic text.
    static let largestHead = 12 * 1024
    /// On one connection, before it ends.
    static let mostMalformed = 200

    /// For connections to machines. What they may do is bounded by what clients ask of them.
    static var machine: NIOHTTP2Handler.ConnectionConfiguration {
        var configuration = connection(streams: 0)
        configuration.initialSettings.append(HTTP2Setting(parameter: .enablePush, value: 0))
        configuration.initialSettings.removeAll { $0.parameter == .maxConcurrentStreams }
        return configuration
    }

    /// For connections of clients. Their heads are judged by `RequestTranslation`, and what goes to them by HTTPWire: once.
    static func client(streams: Int) -> NIOHTTP2Handler.ConnectionConfiguration {
        var configuration = connection(streams: streams)
        configuration.headerBlockValidation = .disabled
        return configuration
    }

    private static func connection(streams: Int) -> NIOHTTP2Handler.ConnectionConfiguration {
        var configuration = NIOHTTP2Handler.ConnectionConfiguration()
        configuration.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: streams),
            HTTP2Setting(parameter: .initialWindowSize, value: 65_535),
            HTTP2Setting(parameter: .maxHeaderListSize, value: 16 * 1024),
        ]
        configuration.targetWindowSize = connectionWindow
        configuration.maximumConnectionGlitches = mostMalformed
        // What is in flight for a stream that was reset must not end the connection, however many are reset at once.
        configuration.maximumRecentlyResetStreams = 2048
        // gRPC measures bandwidth with pings, one for each round trip of a busy connection.
        configuration.controlFrameRateLimit.maximumCount = 500
        configuration.controlFrameRateLimit.windowLength = .seconds(1)
        return configuration
    }

    static var stream: NIOHTTP2Handler.StreamConfiguration {
        var configuration = NIOHTTP2Handler.StreamConfiguration()
        configuration.targetWindowSize = 65_535
        // The gap is what a client must take in one time-out so as not to be let go.
        configuration.outboundBufferSizeHighWatermark = 64 * 1024
        configuration.outboundBufferSizeLowWatermark = 56 * 1024
        return configuration
    }
}
