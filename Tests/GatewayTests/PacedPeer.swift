import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// One end of a tunnel: it says so much and then no more, and takes what comes little by little.
final class PacedPeer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What one end got.
    struct Taken: Sendable {
        /// Behind the head.
        var bytes = 0
        var hasEnd = false
    }

    typealias Log = NIOLockedValueBox<Taken>

    private static let piece = 16 * 1024
    private let head: String
    private let count: Int
    private let speaksFirst: Bool
    private let log: Log
    private let pause: TimeAmount
    private var hasHead = false

    private init(_ head: String, _ count: Int, speaksFirst: Bool, pause: TimeAmount, _ log: Log) {
        self.head = head
        self.count = count
        self.speaksFirst = speaksFirst
        self.pause = pause
        self.log = log
    }

    /// An app that answers its first bytes with `head` and `count` bytes.
    static func listen(
        _ head: String, sending count: Int, pause: TimeAmount = .milliseconds(1), _ log: Log
    ) async throws -> any Channel {
        try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_rcvbuf), value: 64 * 1024)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: piece))
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        PacedPeer(head, count, speaksFirst: false, pause: pause, log))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    /// A client that sends `head`, and `count` bytes once it is answered.
    static func connect(_ port: Int, _ head: String, sending count: Int, _ log: Log) async throws -> any Channel {
        try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelOption(.socketOption(.so_rcvbuf), value: 64 * 1024)
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: piece))
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        PacedPeer(head, count, speaksFirst: true, pause: .milliseconds(1), log))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
    }

    func channelActive(context: ChannelHandlerContext) {
        if speaksFirst { context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: head)), promise: nil) }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        var taken = buffer.readableBytes
        if !hasHead {
            // Heads are small and come alone, or at the beginning of what came first.
            let text = String(buffer: buffer)
            guard let end = text.firstRange(of: "\r\n\r\n") else { return }
            hasHead = true
            taken -= text[..<end.upperBound].utf8.count
            speak(context)
        }
        log.withLockedValue { $0.bytes += taken }
    }

    private func speak(_ context: ChannelHandlerContext) {
        if !speaksFirst { context.write(wrapOutboundOut(ByteBuffer(string: head)), promise: nil) }
        let all = ByteBuffer(repeating: 0x78, count: count)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        // NIO would drop what waits if the other direction ended first.
        context.writeAndFlush(wrapOutboundOut(all)).whenComplete { _ in bound.value.close(mode: .output, promise: nil) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: pause) { bound.value.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { end() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelInactive(context: ChannelHandlerContext) { end() }

    /// Not of the connection with which the pool looks whether somebody is there.
    private func end() { if hasHead { log.withLockedValue { $0.hasEnd = true } } }
}
