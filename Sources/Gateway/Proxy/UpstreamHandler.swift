import HTTPWire
import MachinePool
import NIOCore

/// How much one read from a machine may bring.
enum ReadSize {
    /// For streams of unknown length: what a client does not take is held in memory, and streams are many.
    case small
    /// For bodies.
    case large

    var allocator: AdaptiveRecvByteBufferAllocator {
        switch self {
        case .small: AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 2048, maximum: 4096)
        case .large: AdaptiveRecvByteBufferAllocator(minimum: 2048, initial: 4096, maximum: 262_144)
        }
    }
}

/// The machine's side of the proxy: one connection, used for one exchange at a time.
final class UpstreamHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase { case head, body, tunnel }

    let worker: Worker
    let machine: MachineRef
    let epoch: UInt64
    /// The lines that name the machine to clients.
    let lines: [UInt8]
    /// The machine's public id.
    let name: [UInt8]

    /// Place in the store's list.
    var index = -1
    var idleDeadline: UInt64 = .max
    private var context: ChannelHandlerContext?
    private(set) var isOpen = false
    private(set) var isWritable = true
    private(set) var exchanges = 0
    /// No byte has come in this exchange.
    private(set) var isUntouched = true

    var client: ClientHandler?
    var phase = Phase.head
    var response = ResponseHead()
    var parser = ResponseParser()
    var partial: HeadFields?
    var body = BodyDecoder(.none)
    var pending: ByteBuffer
    private var isReadHeld = false
    private var reads = ReadSize.large
    /// Not a stream of an HTTP/2 connection, whose channel knows no such option.
    var ownsSocket = false
    /// Its first answer settles that the app does not speak HTTP/2.
    var tellsProtocol = false
    var isInputClosed = false
    private var needsFlush = false
    /// Small pieces behind one that is to be flushed already.
    private var gathered: ByteBuffer
    var clientNeedsFlush = false
    /// Bytes of this response's body.
    var streamed = 0
    /// Of a tunnel whose client has left, while its last words are on their way.
    private var lease: Lease?
    private var outcome = LeaseOutcome.aborted

    init(worker: Worker, machine: MachineRef, epoch: UInt64, lines: [UInt8], name: [UInt8]) {
        self.worker = worker
        self.machine = machine
        self.epoch = epoch
        self.lines = lines
        self.name = name
        pending = worker.empty
        gathered = worker.empty
    }

    var isIdle: Bool { client == nil }
    /// Nothing has come since the last event, not even the connection's end.
    var isQuiet: Bool { context?.hasNothingToRead ?? false }

    // MARK: From the client's side

    func begin(_ client: ClientHandler) {
        self.client = client
        exchanges += 1
        isUntouched = true
        phase = .head
        parser = ResponseParser()
        partial = nil
    }

    func send(_ bytes: ByteBuffer) {
        if needsFlush, bytes.readableBytes <= Self.small {
            // Each write keeps its storage until it has left, and one byte may have kilobytes.
            gathered.writeImmutableBuffer(bytes)
            if gathered.readableBytes >= Self.piece { writeGathered() }
            return
        }
        writeGathered()
        needsFlush = true
        context?.write(wrapOutboundOut(bytes), promise: nil)
    }

    private static let small = 1024
    private static let piece = 16 * 1024

    private func writeGathered() {
        guard gathered.readableBytes > 0 else { return }
        context?.write(wrapOutboundOut(gathered), promise: nil)
        gathered = worker.empty
    }

    func flushIfNeeded() {
        guard needsFlush else { return }
        writeGathered()
        needsFlush = false
        context?.flush()
    }

    /// Sets how much one read may bring.
    func limitReads(_ size: ReadSize) {
        guard size != reads, ownsSocket, let options = context?.channel.syncOptions else { return }
        reads = size
        // Fails only on a closed channel, which reads nothing.
        try? options.setOption(.recvAllocator, value: size.allocator)
    }

    func close() {
        isOpen = false
        context?.close(promise: nil)
    }

    /// Tells the machine that nothing more comes, behind all that does.
    func closeOutput() {
        // NIO would close a connection at once whose other direction has ended, with what waits in it.
        if isInputClosed { closeAfterFlush() } else { context?.close(mode: .output, promise: nil) }
    }

    private func closeAfterFlush() {
        guard let context else { return }
        let bound = NIOLoopBound(self, eventLoop: worker.loop)
        context.writeAndFlush(wrapOutboundOut(worker.empty)).whenComplete { _ in bound.value.close() }
    }

    /// The client of a tunnel has left. What it said is still the machine's, which keeps its lease for as long as it may take.
    func finish(_ lease: consuming Lease?, _ outcome: LeaseOutcome) {
        client = nil
        self.lease = consume lease
        self.outcome = outcome
        let span = worker.timers.bodyIdle
        idleDeadline = span == 0 ? .max : worker.coarseNow &+ span
        closeAfterFlush()
    }

    func resumeReading() {
        guard isReadHeld, let context else { return }
        isReadHeld = false
        context.read()
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        isOpen = true
        worker.upstreams.add(self)
    }

    func read(context: ChannelHandlerContext) {
        if client?.takesMore ?? true { context.read() } else { isReadHeld = true }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        guard let client else {
            // Nobody asked: whatever this is, the next response could not be told from it. A tunnel has no next one.
            return phase == .tunnel ? () : close()
        }
        isUntouched = false
        if phase == .tunnel {
            client.armTunnel()
            client.write(buffer)
            clientNeedsFlush = true
            return
        }
        if pending.readableBytes == 0 {
            pending = buffer
        } else {
            var buffer = buffer
            pending.writeBuffer(&buffer)
        }
        receive(client)
        if pending.readableBytes == 0 { pending = worker.empty }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard clientNeedsFlush else { return }
        clientNeedsFlush = false
        client?.flush()
        client?.stallIfBehind()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        if isWritable { client?.resumeReading() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .inputClosed? = event as? ChannelEvent else { return }
        isInputClosed = true
        guard let client else { return phase == .tunnel ? () : close() }
        if phase == .tunnel { return client.tunnelHalfClosed() }
        if phase == .body, body.endsWithClose { endOfConnection(client) } else { client.upstreamFailed(self, .broken) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        isOpen = false
        if let client, phase != .tunnel {
            if error is StreamRefused { client.canReplay = client.keepsRequest }
            client.upstreamFailed(self, .broken)
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { closed() }

    func handlerRemoved(context: ChannelHandlerContext) {
        closed()
        self.context = nil
    }

    private func closed() {
        isOpen = false
        worker.upstreams.remove(self)
        if let lease = lease.take() { lease.end(outcome) }
        guard let client else { return }
        if phase == .tunnel { client.tunnelEnded(self) } else { client.upstreamFailed(self, .broken) }
    }
}
