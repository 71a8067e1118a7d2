import Glibc
import NIOCore
import NIOPosix
import NIOSSL

/// A client that says exactly what it is told to, and shows exactly what came back.
final class RawClient {
    private let channel: any Channel
    private var incoming: AsyncThrowingStream<ByteBuffer, any Error>.Iterator
    private var received = ByteBuffer()
    /// How the connection ended: nil while open, true after a reset.
    private(set) var wasReset: Bool?

    private init(_ channel: any Channel, _ incoming: AsyncThrowingStream<ByteBuffer, any Error>) {
        self.channel = channel
        self.incoming = incoming.makeAsyncIterator()
    }

    /// `prepare` may put handlers under the client, such as TLS.
    deinit { channel.close(promise: nil) }

    static func connect(
        _ port: Int, on group: any EventLoopGroup,
        prepare: @escaping @Sendable (any Channel) throws -> Void = { _ in }
    ) async throws -> RawClient {
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: ByteBuffer.self)
        let channel = try await ClientBootstrap(group: group)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try prepare(channel)
                    try channel.pipeline.syncOperations.addHandler(CollectingHandler(continuation))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return RawClient(channel, stream)
    }

    func send(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)) }

    func send(_ bytes: ByteBuffer) async throws { try await channel.writeAndFlush(bytes) }

    func halfClose() async throws { try await channel.close(mode: .output).get() }

    func close() async throws { try await channel.close().get() }

    func reset() async throws {
        if let options = channel as? any SocketOptionProvider {
            try await options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        }
        try await channel.close().get()
    }

    /// Bytes up to and with `mark`; all there are if the connection ends first.
    func read(until mark: String) async throws -> String {
        while true {
            let text = String(buffer: received)
            if let found = text.firstRange(of: mark) {
                let count = text[..<found.upperBound].utf8.count
                return received.readString(length: count) ?? ""
            }
            guard try await more() else { return received.readString(length: received.readableBytes) ?? "" }
        }
    }

    /// The next `count` bytes; nil if the connection ends before.
    func bytes(_ count: Int) async throws -> [UInt8]? {
        while received.readableBytes < count { guard try await more() else { return nil } }
        let bytes = received.readBytes(length: count)
        received.discardReadBytes()
        return bytes
    }

    /// Everything until the connection ends.
    func readAll() async throws -> String {
        while try await more() {}
        return received.readString(length: received.readableBytes) ?? ""
    }

    /// Counts bytes without keeping them, until the connection ends or `limit` is reached.
    func drain(_ limit: Int = .max) async throws -> Int {
        var count = received.readableBytes
        received.clear()
        while count < limit, let buffer = try await incoming.next(isolation: #isolation) {
            count += buffer.readableBytes
        }
        return count
    }

    /// A head, and its body if it has a Content-Length.
    func response() async throws -> String {
        let head = try await read(until: "\r\n\r\n")
        guard let field = head.firstRange(of: "Content-Length: ") else { return head }
        let count = Int(head[field.upperBound...].prefix { $0.isNumber }) ?? 0
        while received.readableBytes < count { guard try await more() else { break } }
        return head + (received.readString(length: min(count, received.readableBytes)) ?? "")
    }

    private func more() async throws -> Bool {
        do {
            guard let buffer = try await incoming.next(isolation: #isolation) else {
                if wasReset == nil { wasReset = false }
                return false
            }
            received.writeImmutableBuffer(buffer)
            return true
        } catch is NIOSSLError {
            // An end without the goodbye of TLS.
            wasReset = true
            return false
        } catch is IOError {
            wasReset = true
            return false
        }
    }
}

private final class CollectingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let continuation: AsyncThrowingStream<ByteBuffer, any Error>.Continuation

    init(_ continuation: AsyncThrowingStream<ByteBuffer, any Error>.Continuation) { self.continuation = continuation }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { continuation.yield(unwrapInboundIn(data)) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { continuation.finish() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        continuation.finish(throwing: error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { continuation.finish() }
}
