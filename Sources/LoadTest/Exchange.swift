import NIOCore
import NIOHTTP1

/// One request on a connection, and where its answer goes.
struct Exchange: Sendable {
    let head: HTTPRequestHead
    let timeout: TimeAmount
    let keepsBody: Bool
    let promise: EventLoopPromise<Reply>
}

/// What a load test wants to know of a response.
struct Reply: Sendable {
    var status: Int
    var startType: String?
    /// The `start` phase of Server-Timing, in milliseconds.
    var startTime: Double?
    var errorLabel: String?
    var isReusable: Bool
    var finished = NIODeadline.now()
    var body: [UInt8] = []
}

/// Why there is no response.
enum ExchangeFailure: Error, Sendable, Equatable {
    case connect(String)
    case timeout
    /// The connection ended first. `untouched`: not a byte of an answer had come.
    case broken(untouched: Bool)
    case malformed

    /// One of a fixed set of words, but for the kernel's reason.
    var label: String {
        switch self {
        case .connect(let reason): "connect: \(reason)"
        case .timeout: "timeout"
        case .broken: "connection broken"
        case .malformed: "malformed response"
        }
    }
}

/// Sends one request after another on a connection and answers each promise exactly once.
final class ExchangeHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private var exchange: Exchange?
    private var reply: Reply?
    private var timer: Scheduled<Void>?
    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        end(.failure(.broken(untouched: reply == nil)))
    }

    /// Call on the connection's loop, with nothing under way.
    func begin(_ next: Exchange) {
        guard exchange == nil, let context, context.channel.isActive else {
            next.promise.fail(ExchangeFailure.broken(untouched: true))
            return
        }
        exchange = next
        reply = nil
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: next.timeout) {
            self.end(.failure(.timeout))
            context.close(promise: nil)
        }
        context.write(wrapOutboundOut(.head(next.head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            reply = Reply(
                status: Int(head.status.code), startType: head.headers.first(name: "X-Start-Type"),
                startTime: head.headers.first(name: "Server-Timing").flatMap(ServerTiming.start),
                errorLabel: head.headers.first(name: "X-Fcctl-Error"), isReusable: head.isKeepAlive)
        case .body(let part):
            // Anybody's server may answer: what is kept has a limit.
            if exchange?.keepsBody == true, let count = reply?.body.count, count + part.readableBytes <= 1 << 16 {
                reply?.body += part.readableBytesView
            }
        case .end:
            guard var reply else { return }
            reply.finished = .now()
            end(.success(reply))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(.failure(.broken(untouched: reply == nil)))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Ends the exchange before the decoder can report the end of a response that is not whole.
        end(.failure(error is HTTPParserError ? .malformed : .broken(untouched: reply == nil)))
        context.close(promise: nil)
    }

    private func end(_ result: Result<Reply, ExchangeFailure>) {
        timer?.cancel()
        timer = nil
        reply = nil
        guard let exchange else { return }
        self.exchange = nil
        exchange.promise.completeWith(result.mapError { $0 as any Error })
    }
}

/// `queue;dur=0.1, start;dur=12.3, app;dur=4`
enum ServerTiming {
    static func start(_ field: String) -> Double? {
        for metric in field.split(separator: ",") {
            let parts = metric.split(separator: ";").map { $0.drop { $0 == " " } }
            guard parts.first == "start" else { continue }
            for part in parts where part.hasPrefix("dur=") { return Double(part.dropFirst(4)) }
        }
        return nil
    }
}
