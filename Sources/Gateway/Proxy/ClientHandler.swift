import HTTPWire
import MachinePool
import NIOConcurrencyHelpers
import NIOCore

/// The client's side of the proxy: reads requests one after the other, gets a lease for each, and hands it to the machine.
///
/// One exchange at a time, in order; what a client sends ahead waits. Everything happens on the connection's event loop.
final class ClientHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase {
        /// Waiting for a request, or in the middle of its head.
        case head
        /// A request is on its way; `stage` says how far.
        case exchange
        /// Two connections glued together after a 101.
        case tunnel
        /// Reading `/api/events`.
        case events
        /// The last response is written; what still comes is thrown away.
        case closing
        case closed
    }

    enum Stage { case acquiring, connecting, sent, responding }

    /// What an expired deadline means.
    enum Timer { case first, header, keepAlive, body, expectation, firstByte, response, taking, tunnel, linger, none }

    let worker: Worker
    /// What carries the requests: a connection of its own, encrypted or not, or a stream of a shared one.
    var transport: ClientTransport
    /// The connection's place in its channel; nil for a stream.
    var context: ChannelHandlerContext?
    /// What stands for the connection, where that is shared.
    var stream: ClientStream?
    /// Place in the worker's list.
    var index = -1
    var peer = stranger
    private static let stranger = PeerLines(address: "unknown", scheme: "http", isTrusted: false)
    /// What the connection counts as; nil when it has no limit of its own.
    private var countedAs: ConnectionCensus.Client?
    /// The client's address as text, for the access log.
    var address: [UInt8] = []

    var phase = Phase.head
    var stage = Stage.acquiring
    var deadline: UInt64 = 0
    var timer = Timer.none
    /// When the request must be over. Zero: whenever.
    var lastMoment: UInt64 = 0

    // Input
    var pending: ByteBuffer
    var parser = RequestParser()
    /// The fields of a head that did not come whole.
    var partial: HeadFields?
    var isProcessing = false
    var isReadHeld = false
    var isInputClosed = false

    // The request
    var head = RequestHead()
    var body = BodyDecoder(.none)
    var bodyBytes: UInt64 = 0
    var windowBytes = 0
    /// Since when the machine takes nothing of it.
    var heldSince: UInt64 = 0
    /// Neither side of the request has to speak for long, as in a stream of gRPC.
    var isPatient = false
    var isRequestDone = true
    var requestID: [UInt8] = []
    /// The request as it goes out: until it is sent, and as long as it can be sent again.
    var requestBytes: ByteBuffer
    var canReplay = false
    /// It is kept whole, also where it can be sent again only if the machine says that it has not looked at it.
    var keepsRequest = false
    /// How often it was tried again.
    var attempts = 0
    /// Machines that had it, or could not be tried, and of which nothing came back.
    var losses = 0
    var began: UInt64 = 0
    var granted: UInt64 = 0
    var sent: UInt64 = 0
    var queued: UInt64 = 0
    var started: UInt64 = 0
    var startKind = StartKind.idle
    /// When the machine's answer began.
    var answered: UInt64 = 0

    /// Tells answers to this request from late answers to earlier ones.
    var sequence: UInt64 = 0
    var ticket: Ticket?
    var attempt: UpstreamStore.Attempt?
    var lease: Lease?
    var upstream: UpstreamHandler?

    // Output
    var isWritable = true
    /// The kernel did not take everything; until it has, nothing more is read for this client.
    private var isBehind = false
    var closesAfter = false
    var framing = ClientFraming.none
    var informational = 0
    var hasContinued = false
    var writtenBytes = 0
    /// What the access log will say; nil when there is no request, or no log.
    var note: AccessNote?
    var story = ResponseStory()
    var taking = TakingWatch()

    /// `client`: what is known of it already.
    init(worker: Worker, transport: ClientTransport = .plain, client: ClientPeer? = nil) {
        self.worker = worker
        if let client { (peer, address) = (client.lines, client.address) }
        self.transport = transport
        pending = worker.empty
        requestBytes = worker.empty
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) { begin(context) }

    private func begin(_ context: ChannelHandlerContext) {
        guard index < 0, phase == .head else { return }
        if peer === Self.stranger {
            let client = worker.peer(of: context.channel, transport)
            (peer, address) = (client.lines, client.address)
        }
        worker.add(self)
        arm(.first, worker.timers.header)
        if transport == .plain { count(context.channel) }
        if worker.isDraining { drain() }
    }

    /// A connection of this handler's own counts; streams and what TLS brought are counted where they come from.
    private func count(_ channel: any Channel) {
        countedAs =
            peer.isTrusted
            ? nil : (channel.remoteAddress?.ipAddress).flatMap(AddressBlock.parse).map(ConnectionCensus.Client.init)
        switch worker.census.withLockedValue({ $0.arrive(countedAs) }) {
        case .admitted: break
        case .tooMany: refuse(.tooManyConnections)
        case .tooManyOfClient: refuse(.tooManyOfClient)
        }
    }

    /// Answers what never became a request.
    func refuse(_ failure: ProxyFailure) {
        noteMalformed()
        fail(failure, closes: true)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { receive(unwrapInboundIn(data)) }

    func receive(_ buffer: ByteBuffer) {
        switch phase {
        case .head, .exchange:
            if pending.readableBytes == 0 {
                pending = buffer
            } else {
                var buffer = buffer
                pending.writeBuffer(&buffer)
            }
            processInput()
        case .tunnel: tunnel(buffer)
        case .events, .closing, .closed: break
        }
    }

    func read(context: ChannelHandlerContext) {
        if mayRead { context.read() } else { isReadHeld = true }
    }

    /// A request's body is read only while the machine takes it; requests sent ahead only one read deep.
    var mayRead: Bool {
        switch phase {
        case .head: return transport.isStream || takesMore
        case .events, .closing, .closed: return true
        case .tunnel: return upstream?.isWritable ?? true
        case .exchange:
            if isRequestDone { return pending.readableBytes == 0 }
            if stage == .acquiring || stage == .connecting { return !isHoldingBody }
            return upstream?.isWritable ?? true
        }
    }

    func resumeReading() {
        guard isReadHeld, mayRead else { return }
        isReadHeld = false
        if let stream { stream.deliver() } else { context?.read() }
    }

    var takesMore: Bool { isWritable && !isBehind }

    /// Call after a flush within a response. The channel's own mark lets a hundred kilobytes wait, and streams are many.
    func stallIfBehind() {
        // A stream of HTTP/2 has a window of its own.
        guard !isBehind, let context else { return }
        // A channel that cannot tell has taken everything.
        let waiting = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        guard waiting > 0 else { return }
        isBehind = true
        worker.renewOut()
        if phase == .exchange, stage == .responding { watchTaking() }
        let bound = NIOLoopBound(self, eventLoop: worker.loop)
        // Done when everything before it has left.
        context.writeAndFlush(wrapOutboundOut(worker.empty)).whenComplete { _ in
            let client = bound.value
            client.isBehind = false
            client.takesAgain()
        }
    }

    func takesAgain() {
        if phase == .exchange, stage == .responding { progressed() }
        if phase == .head { processInput() }
        upstream?.resumeReading()
        resumeReading()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        if isWritable { takesAgain() }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { inputClosed() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset or a failed write: the client is gone, and channelInactive says so to everyone else.
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { closed() }

    func handlerRemoved(context: ChannelHandlerContext) {
        closed()
        self.context = nil
    }

    /// The connection is over, whoever ended it: whatever it held is returned, once.
    func closed() {
        guard phase != .closed else { return }
        let wasReading = phase == .events
        record(whenOpen: phase == .exchange ? "client-closed" : nil)
        if phase == .tunnel { leaveTunnel(.aborted) }
        phase = .closed
        deadline = 0
        lastMoment = 0
        sequence += 1
        release(.aborted)
        if wasReading { worker.admin?.unsubscribe(self) }
        guard index >= 0 else { return }
        if transport == .plain { worker.census.withLockedValue { $0.leave(countedAs) } }
        worker.remove(self)
    }

    /// Gives back everything an exchange holds. The connection to the machine is of no further use.
    func release(_ outcome: LeaseOutcome) {
        if let ticket {
            self.ticket = nil
            worker.pool.cancel(ticket)
        }
        if let attempt {
            self.attempt = nil
            attempt.abandon()
        }
        if let upstream {
            self.upstream = nil
            upstream.client = nil
            upstream.close()
        }
        endLease(outcome)
    }

    func endLease(_ outcome: LeaseOutcome) {
        if let lease = lease.take() { lease.end(outcome) }
    }

    // MARK: Deadlines

    /// How long a request's body may be slow.
    var bodySpan: UInt64 { isPatient ? worker.timers.responseIdle : worker.timers.bodyIdle }

    func arm(_ timer: Timer, _ span: UInt64) {
        self.timer = timer
        deadline = span == 0 ? 0 : worker.coarseNow &+ span
    }
}
