import HTTPWire
import NIOCore

/// A client's HTTP/2 connection: frames in, frames out. Its requests are streams, each with a `ClientHandler` of its own.
final class ClientConnection: ChannelDuplexHandler, WorkerLink {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let worker: Worker
    let transport: ClientTransport
    var session: HTTP2Session
    var streams = OpenStreams()
    private(set) var context: ChannelHandlerContext?
    /// What its streams say about the client.
    private var peer: ClientPeer?
    private var pending: ByteBuffer
    var isReading = false
    private var isReadHeld = false

    // Output
    private(set) var isWritable = true
    /// Bytes written so far.
    var written = 0
    /// Streams with data that waits for room.
    var queued: [ClientStream] = []
    /// Streams that are over, and whose handlers have not been told.
    var over: [ClientStream] = []
    var isTurnDue = false
    /// Something has been written that has not been flushed.
    var isUnflushed = false

    // Its end
    var deadline: UInt64 = 0
    var taking = TakingWatch()
    /// The next deadline is for a look at what the client has taken.
    var isWatching = false
    /// Nothing new is begun.
    var isEnding = false
    /// It has been told which streams are the last ones.
    var refusesNew = false
    /// Nothing more is read or answered.
    private(set) var isOver = false

    private init(worker: Worker, isEncrypted: Bool) {
        self.worker = worker
        transport = ClientTransport(isEncrypted: isEncrypted, isStream: true)
        var settings = HTTP2Settings()
        settings.streams = worker.configuration.limits.streams
        session = HTTP2Session(settings, scratch: worker.scratch, now: worker.coarseNow)
        pending = worker.empty
    }

    /// Makes an HTTP/2 connection of a channel that has no handlers but those of TLS.
    static func configure(_ channel: any Channel, worker: Worker, isEncrypted: Bool) throws {
        try channel.pipeline.syncOperations.addHandler(ClientConnection(worker: worker, isEncrypted: isEncrypted))
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        worker.add(self)
        wait(worker.timers.header)
        wake()
        if worker.isDraining { drain() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        closed()
        self.context = nil
        isTurnDue = false
    }

    func channelInactive(context: ChannelHandlerContext) {
        closed()
        context.fireChannelInactive()
    }

    /// Whatever its streams held is returned.
    private func closed() {
        isOver = true
        deadline = 0
        worker.remove(self)
        closeStreams()
    }

    private func closeStreams() {
        let open = streams
        streams = OpenStreams()
        for stream in open { stream.closed() }
    }

    // MARK: Input

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isOver { return }
        var bytes = unwrapInboundIn(data)
        if pending.readableBytes == 0 { pending = bytes } else { pending.writeBuffer(&bytes) }
        isReading = true
        session.now = worker.coarseNow
        readFrames()
        pending.keepOnlyReadable(worker.empty)
    }

    /// Answers without a body need no window: whoever asks and takes nothing is not asked for more.
    func read(context: ChannelHandlerContext) {
        if isWritable { context.read() } else { isReadHeld = true }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        turn()
    }

    private func readFrames() {
        while !isOver {
            var at = 0
            let event: Result<HTTP2Session.Event?, HTTP2Error> = pending.withUnsafeReadableBytes { bytes in
                do throws(HTTP2Error) { return .success(try session.next(bytes, &at)) } catch {
                    return .failure(error)
                }
            }
            guard case .success(let event?) = event else {
                pending.moveReaderIndex(forwardBy: at)
                // A broken rule of the connection is answered with GOAWAY, and then it ends (RFC 9113 5.4.1).
                if case .failure(let error) = event { end(error.code) }
                return
            }
            handle(event)
            pending.moveReaderIndex(forwardBy: at)
        }
    }

    private func handle(_ event: HTTP2Session.Event) {
        switch event {
        case .request(let id, let block): begin(id, block)
        case .data(let id, let range, let ends):
            let bytes = pending.getSlice(at: pending.readerIndex + range.lowerBound, length: range.count)
            streams[id]?.receive(bytes ?? worker.empty, ends: ends)
        case .trailers(let id): streams[id]?.receive(trailers: ByteBuffer(bytes: session.scratch.text.bytes))
        case .reset(let id):
            guard let stream = streams.remove(id) else { return }
            stream.closed()
            streamEnded()
        // What waits is looked at in the next turn, which follows at once.
        case .window: break
        // Whoever says goodbye opens no further stream; the streams that are open finish.
        case .goodbye:
            drain()
            refuseNew()
        case .pong(let content): if content == Self.lastCall { refuseNew() }
        }
    }

    private func begin(_ id: UInt32, _ block: RequestBlock) {
        guard let context else { return }
        let peer = self.peer ?? worker.peer(of: context.channel, transport)
        self.peer = peer
        if !isWatching { deadline = 0 }
        let stream = ClientStream(id, block, client: worker.handler(transport, peer), connection: self)
        streams.append(stream)
        stream.begin(block)
    }

    /// The head that has just come, in memory that is free again when it has been read.
    func requestText() -> ByteBuffer {
        worker.text.clear(minimumCapacity: 1024)
        worker.text.writeBytes(session.scratch.text.bytes)
        return worker.text
    }

    /// The client sends nothing more: without an end of its own, no request of this connection can be told from a lost one.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { return inputClosed(context) }
        context.fireUserInboundEventTriggered(event)
    }

    private func inputClosed(_ context: ChannelHandlerContext) {
        if isOver { return context.close(promise: nil) }
        // Whoever has had all its answers may still be taking them.
        if streams.isEmpty { end(.none) } else { abort() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        if isWritable {
            wake()
            if isReadHeld {
                isReadHeld = false
                context.read()
            }
        } else {
            watchTaking()
        }
        context.fireChannelWritabilityChanged()
    }

    // MARK: The end

    /// Says goodbye, and closes when that has left. What the client still sends is dropped for a while: a socket closed over
    /// unread bytes makes the client's kernel throw the goodbye away.
    func end(_ code: HTTP2ErrorCode) {
        guard !isOver, let context else { return }
        session.sayGoodbye(code, isLast: true)
        flush(context)
        closeStreams()
        leave()
    }

    /// Everything has been said.
    func leave() {
        guard !isOver, let context else { return }
        isOver = true
        // Behind what still waits to be taken, for as long as it is.
        context.close(mode: .output, promise: nil)
        isWatching = true
        taking.forget()
        wait(worker.timers.tick)
    }

    func abort() {
        context?.close(promise: nil)
    }
}
