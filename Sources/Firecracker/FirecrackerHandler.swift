import NIOCore
import NIOHTTP1

/// A request on its way to Firecracker and the promise for its answer.
struct FirecrackerCall: Sendable {
    let request: FirecrackerRequest
    let answer: EventLoopPromise<FirecrackerAnswer>
}

struct FirecrackerAnswer: Sendable, Hashable {
    let status: Int
    let body: [UInt8]
}

/// Matches answers to requests, which come in the order of the requests, on one keep-alive connection.
final class FirecrackerHandler: ChannelDuplexHandler {
    typealias InboundIn = NIOHTTPClientResponseFull
    typealias OutboundIn = FirecrackerCall
    typealias OutboundOut = HTTPClientRequestPart

    private var pending: CircularBuffer<EventLoopPromise<FirecrackerAnswer>> = []
    private var failure: FirecrackerError?

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let call = unwrapOutboundIn(data)
        if let failure {
            call.answer.fail(failure)
            promise?.fail(failure)
            return
        }
        pending.append(call.answer)
        var headers = HTTPHeaders([("host", "localhost"), ("accept", "application/json")])
        if !call.request.body.isEmpty {
            headers.add(name: "content-type", value: "application/json")
            headers.add(name: "content-length", value: String(call.request.body.count))
        }
        let head = HTTPRequestHead(
            version: .http1_1, method: .RAW(value: call.request.method.rawValue), uri: call.request.path,
            headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if !call.request.body.isEmpty {
            let bytes = context.channel.allocator.buffer(bytes: call.request.body)
            context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let response = unwrapInboundIn(data)
        guard let answer = pending.popFirst() else {
            end(with: .undecodable("without being asked"))
            context.close(promise: nil)
            return
        }
        let body = response.body.map { Array($0.readableBytesView) } ?? []
        answer.succeed(FirecrackerAnswer(status: Int(response.head.status.code), body: body))
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(with: .unreachable("it closed the connection"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is HTTPParserError || error is NIOHTTPObjectAggregatorError {
            end(with: .undecodable("what is not HTTP: \(error)"))
        } else {
            end(with: .unreachable("\(error)"))
        }
        context.close(promise: nil)
    }

    private func end(with error: FirecrackerError) {
        failure = failure ?? error
        while let promise = pending.popFirst() { promise.fail(error) }
    }
}
