import Glibc
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// An app as the tests need it: it reads requests and does what a script says, however wrong.
final class ScriptedApp: Sendable {
    enum Step: Sendable {
        case send(String)
        case bytes(Int)
        case wait(Duration)
        case close, reset, halfClose
        /// Answer everything from now on with itself, and the end with this many bytes.
        case echo(last: Int = 0)
    }

    struct Log: Sendable {
        var requests: [String] = []
        var connections = 0
        var closed = 0
        var received = 0
        var lastSend: ContinuousClock.Instant?
    }

    typealias Script = @Sendable (_ request: String, _ connection: Int) -> [Step]

    let port: Int
    private let log: NIOLockedValueBox<Log>
    private let channel: any Channel

    private init(_ channel: any Channel, _ log: NIOLockedValueBox<Log>) {
        self.channel = channel
        self.log = log
        port = channel.localAddress?.port ?? 0
    }

    static func start(on group: any EventLoopGroup, _ script: @escaping Script) async throws -> ScriptedApp {
        let log = NIOLockedValueBox(Log())
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AppHandler(script, log))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return ScriptedApp(channel, log)
    }

    /// What has happened so far.
    var seen: Log { log.withLockedValue { $0 } }

    func stop() async throws { try await channel.close().get() }
}

private final class AppHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let script: ScriptedApp.Script
    private let log: NIOLockedValueBox<ScriptedApp.Log>
    private var input = ByteBuffer()
    private var number = 0
    private var isEcho = false
    private var last = 0
    private var isBusy = false

    init(_ script: @escaping ScriptedApp.Script, _ log: NIOLockedValueBox<ScriptedApp.Log>) {
        self.script = script
        self.log = log
    }

    func channelActive(context: ChannelHandlerContext) {
        number = log.withLockedValue { log in
            log.connections += 1
            return log.connections
        }
    }

    func channelInactive(context: ChannelHandlerContext) { log.withLockedValue { $0.closed += 1 } }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .inputClosed? = event as? ChannelEvent else { return }
        if last > 0 { context.writeAndFlush(wrapOutboundOut(ByteBuffer(repeating: 0x79, count: last)), promise: nil) }
        // Behind what is still to be written.
        context.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
            context.close(promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        let count = buffer.readableBytes
        log.withLockedValue { $0.received += count }
        if isEcho { return context.writeAndFlush(wrapOutboundOut(buffer), promise: nil) }
        input.writeBuffer(&buffer)
        next(context)
    }

    /// A request is a head, and a body if a length says so. Chunked bodies are seen as part of what follows.
    private func next(_ context: ChannelHandlerContext) {
        guard !isBusy, let text = input.getString(at: input.readerIndex, length: input.readableBytes),
            let end = text.firstRange(of: "\r\n\r\n")
        else { return }
        let head = text[..<end.upperBound]
        var length = head.utf8.count
        if let field = head.firstRange(of: "Content-Length: ") {
            length += Int(head[field.upperBound...].prefix { $0.isNumber }) ?? 0
        } else if head.contains("Transfer-Encoding: chunked") {
            // The last chunk, and the end of the trailers, which begins with the last chunk's own line end.
            guard let last = text.firstRange(of: "\r\n0\r\n"),
                let rest = text[text.index(last.upperBound, offsetBy: -1)...].firstRange(of: "\r\n\r\n")
            else { return }
            length = text[..<rest.upperBound].utf8.count
        }
        if head.contains("Expect:") { length = head.utf8.count }
        guard input.readableBytes >= length, let request = input.readString(length: length) else { return }
        input.discardReadBytes()
        log.withLockedValue { $0.requests.append(request) }
        isBusy = true
        perform(script(request, number)[...], context)
    }

    private func perform(_ steps: ArraySlice<ScriptedApp.Step>, _ context: ChannelHandlerContext) {
        guard let step = steps.first else {
            isBusy = false
            return next(context)
        }
        let rest = steps.dropFirst()
        switch step {
        case .send(let text):
            log.withLockedValue { $0.lastSend = .now }
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        case .bytes(let count):
            let bound = NIOLoopBound((self, context, rest), eventLoop: context.eventLoop)
            return write(count, context).whenComplete { _ in
                let (handler, context, rest) = bound.value
                handler.perform(rest, context)
            }
        case .wait(let time):
            let bound = NIOLoopBound((self, context, rest), eventLoop: context.eventLoop)
            context.eventLoop.scheduleTask(in: .nanoseconds(time.nanoseconds)) {
                let (handler, context, rest) = bound.value
                handler.perform(rest, context)
            }
            return
        case .close: context.close(promise: nil)
        case .halfClose: context.close(mode: .output, promise: nil)
        case .reset:
            (context.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
                .whenFailure { _ in }
            context.close(promise: nil)
        case .echo(let last):
            isEcho = true
            self.last = last
        }
        perform(rest, context)
    }

    /// Sends `count` bytes, no faster than they are taken.
    private func write(_ count: Int, _ context: ChannelHandlerContext) -> EventLoopFuture<Void> {
        if count == 0 { return context.eventLoop.makeSucceededVoidFuture() }
        let piece = min(count, 256 * 1024)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        return context.writeAndFlush(wrapOutboundOut(ByteBuffer(repeating: 0x78, count: piece))).flatMap {
            let (handler, context) = bound.value
            return handler.write(count - piece, context)
        }
    }
}

extension Duration {
    var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
