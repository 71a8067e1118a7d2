import NIOCore

/// The last of an HTTP/2 connection, under its frames: it knows when the gateway has given the connection up, and closes
/// without losing what was said. A socket closed over unread bytes makes the client's kernel throw the goodbye away.
/// And it gathers what the streams say in one turn of the loop into one write.
final class ConnectionEnd: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let linger: TimeAmount
    private var isPayload = false
    /// GOAWAY with an error has been written.
    private(set) var hasFailed = false
    private var isClosing = false
    /// Bytes written so far.
    private(set) var written = 0
    private var isFlushDue = false

    init(linger: TimeAmount) {
        self.linger = linger
    }

    /// Closes at once from now on.
    func cut() { isClosing = true }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let bytes = unwrapOutboundIn(data)
        written += bytes.readableBytes
        look(bytes)
        context.write(data, promise: promise)
    }

    /// Each stream flushes its own end: together they cost one system call, one by one as many as there are streams.
    func flush(context: ChannelHandlerContext) {
        if isFlushDue { return }
        isFlushDue = true
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        // Runs before the loop waits for events again.
        context.eventLoop.execute {
            let (end, context) = bound.value
            end.flushIfDue(context)
        }
    }

    private func flushIfDue(_ context: ChannelHandlerContext) {
        guard isFlushDue else { return }
        isFlushDue = false
        context.flush()
    }

    /// Each frame begins a write, and a DATA frame's content is a write of its own.
    private func look(_ bytes: ByteBuffer) {
        if isPayload { return isPayload = false }
        guard bytes.readableBytes >= 9,
            let type = bytes.getInteger(at: bytes.readerIndex + 3, as: UInt8.self)
        else { return }
        if type == 0 {
            isPayload = bytes.readableBytes == 9
        } else if type == 7, let code = bytes.getInteger(at: bytes.readerIndex + 13, as: UInt32.self), code != 0 {
            hasFailed = true
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !isClosing { context.fireChannelRead(data) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if isClosing, case .inputClosed? = event as? ChannelEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        flushIfDue(context)
        guard mode == .all, !isClosing else { return context.close(mode: mode, promise: promise) }
        isClosing = true
        context.close(mode: .output, promise: nil)
        let bound = NIOLoopBound((context, promise), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: linger) {
            let (context, promise) = bound.value
            context.close(promise: promise)
        }
    }
}
