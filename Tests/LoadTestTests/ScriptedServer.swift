import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix

/// A server that answers as a script says. The script sees how many requests came before.
final class ScriptedServer: Sendable {
    struct Answer: Sendable {
        var status = HTTPResponseStatus.ok
        var headers: HTTPHeaders = [:]
        var body = "ok"
        var delay: TimeAmount = .zero
        /// Closes after the answer without having said so.
        var closes = false
        /// Closes instead of answering.
        var breaks = false
        /// Never answers.
        var hangs = false
    }

    typealias Script = @Sendable (_ path: String, _ number: Int) -> Answer

    let port: Int
    private let channel: any Channel
    private let count: NIOLockedValueBox<[String: Int]>

    static func run(
        _ script: @escaping Script, _ body: (ScriptedServer) async throws -> Void
    ) async throws {
        let count = NIOLockedValueBox<[String: Int]>([:])
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false)
                    try channel.pipeline.syncOperations.addHandler(AnswerHandler(script, count))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let server = ScriptedServer(channel, count)
        do {
            try await body(server)
        } catch {
            try await channel.close().get()
            throw error
        }
        try await channel.close().get()
    }

    private init(_ channel: any Channel, _ count: NIOLockedValueBox<[String: Int]>) {
        self.channel = channel
        self.count = count
        port = channel.localAddress?.port ?? 0
    }

    func requests(_ path: String = "/") -> Int { count.withLockedValue { $0[path, default: 0] } }
}

private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let script: ScriptedServer.Script
    private let count: NIOLockedValueBox<[String: Int]>
    private var path = ""

    init(_ script: @escaping ScriptedServer.Script, _ count: NIOLockedValueBox<[String: Int]>) {
        self.script = script
        self.count = count
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): path = head.uri
        case .body: break
        case .end:
            let number = count.withLockedValue { count in
                defer { count[path, default: 0] += 1 }
                return count[path, default: 0]
            }
            let answer = script(path, number)
            if answer.hangs { return }
            if answer.breaks { return context.close(promise: nil) }
            context.eventLoop.assumeIsolated().scheduleTask(in: answer.delay) { self.send(answer, context) }
        }
    }

    private func send(_ answer: ScriptedServer.Answer, _ context: ChannelHandlerContext) {
        var head = HTTPResponseHead(version: .http1_1, status: answer.status, headers: answer.headers)
        head.headers.add(name: "Content-Length", value: "\(answer.body.utf8.count)")
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: answer.body)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        if answer.closes { context.close(promise: nil) }
    }
}
