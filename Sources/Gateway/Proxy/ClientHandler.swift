import HTTPWire
import MachinePool
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
    enum Timer { case first, header, keepAlive, body, expectation, firstByte, response, tunnel, linger, none }

    let worker: Worker
    var context: ChannelHandlerContext?
    /// Place in the worker's list.
    var index = -1
    var peer = PeerLines(address: "unknown", scheme: "http", isTrusted: false)
    var isLoopback = false

    var phase = Phase.head
    var stage = Stage.acquiring
    var deadline: UInt64 = 0
    var timer = Timer.none

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
    var isRequestDone = true
    var requestID: [UInt8] = []
    /// The request as it goes out: until it is sent, and as long as it can be sent again.
    var requestBytes: ByteBuffer
    var canReplay = false
    var attempts = 0
    var hasSent = false
    var began: UInt64 = 0
    var granted: UInt64 = 0
    var sent: UInt64 = 0
    var queued: UInt64 = 0
    var started: UInt64 = 0
    var startKind = StartKind.idle

    /// Tells answers to this request from late answers to earlier ones.
    var sequence: UInt64 = 0
    var ticket: Ticket?
    var lease: Lease?
    var upstream: UpstreamHandler?

    // Output
    var isWritable = true
    var closesAfter = false
    var framing = ClientFraming.none
    var informational = 0
    var hasContinued = false
    var writtenBytes = 0
    var drainedBytes = 0

    init(worker: Worker) {
        self.worker = worker
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
        let address = context.remoteAddress
        let trusted = address.map { address in
            worker.configuration.trustedProxies.contains { $0.contains(address) }
        }
        peer = PeerLines(address: address?.ipAddress ?? "unknown", scheme: "http", isTrusted: trusted ?? false)
        worker.add(self)
        arm(.first, worker.timers.header)
        if worker.isOverLimit { fail(.tooManyConnections, closes: true) }
        if worker.isDraining { drain() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
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
        case .head, .events, .closing, .closed: return true
        case .tunnel: return upstream?.isWritable ?? true
        case .exchange:
            if isRequestDone { return pending.readableBytes == 0 }
            if stage == .acquiring || stage == .connecting { return !isHoldingBody }
            return upstream?.isWritable ?? true
        }
    }

    func resumeReading() {
        guard isReadHeld, mayRead, let context else { return }
        isReadHeld = false
        context.read()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        if isWritable { upstream?.resumeReading() }
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
    private func closed() {
        guard phase != .closed else { return }
        let wasReading = phase == .events
        phase = .closed
        deadline = 0
        sequence += 1
        release(.aborted)
        if wasReading { worker.admin?.unsubscribe(self) }
        worker.remove(self)
    }

    /// Gives back everything an exchange holds. The connection to the machine is of no further use.
    func release(_ outcome: LeaseOutcome) {
        if let ticket {
            self.ticket = nil
            worker.pool.cancel(ticket)
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

    func arm(_ timer: Timer, _ span: UInt64) {
        self.timer = timer
        deadline = span == 0 ? 0 : worker.coarseNow &+ span
    }
}
