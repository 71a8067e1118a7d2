import NIOCore

/// A command on its way to QEMU and the promise for its answer.
struct QMPCall: Sendable {
    let command: QMPCommand
    let answer: EventLoopPromise<[UInt8]>
}

/// Matches answers to commands on one QMP connection.
final class QMPHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = QMPCall
    typealias OutboundOut = ByteBuffer

    private let greeting: EventLoopPromise<String>
    private let onEvent: @Sendable (String) -> Void
    private var lines = QMPLines()
    private var pending: [Int: EventLoopPromise<[UInt8]>] = [:]
    private var lastID = 0
    private var failure: QMPError?

    init(greeting: EventLoopPromise<String>, onEvent: @escaping @Sendable (String) -> Void) {
        self.greeting = greeting
        self.onEvent = onEvent
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let call = unwrapOutboundIn(data)
        if let failure {
            call.answer.fail(failure)
            promise?.fail(failure)
            return
        }
        lastID += 1
        pending[lastID] = call.answer
        let bytes = context.channel.allocator.buffer(string: call.command.line(id: lastID))
        context.writeAndFlush(wrapOutboundOut(bytes), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do throws(QMPError) {
            for line in try lines.append(unwrapInboundIn(data).readableBytesView) { take(try QMPMessage.parse(line)) }
        } catch {
            // Past a line that is not QMP nothing can be matched to its command any more.
            end(with: error)
            context.close(promise: nil)
        }
    }

    private func take(_ message: QMPMessage) {
        switch message {
        case .greeting(let version): greeting.succeed(version)
        case .event(let name): onEvent(name)
        // An answer nobody waits for belongs to a command that was given up.
        case .answer(let id, let line): pending.removeValue(forKey: id)?.succeed(line)
        case .failure(let id?, let description): pending.removeValue(forKey: id)?.fail(QMPError.refused(description))
        case .failure(nil, let description): end(with: .refused(description))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(with: .closed)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(with: .transport("\(error)"))
        context.close(promise: nil)
    }

    private func end(with error: QMPError) {
        failure = failure ?? error
        greeting.fail(error)
        for promise in pending.values { promise.fail(error) }
        pending = [:]
    }
}
