package import GuestBoot
import HostNetwork
package import LinuxHost
package import NIOCore
import NIOPosix

/// One TCP connection to the agent in a guest: requests, the app's state as it changes, the log.
package final class AgentConnection: Sendable {
    private let channel: any Channel
    private let handler: NIOLoopBound<AgentHandler>
    /// The app's state now and each time it changes; ends with the connection. For one reader.
    package let states: AsyncStream<AppState>

    private init(channel: any Channel, handler: NIOLoopBound<AgentHandler>, states: AsyncStream<AppState>) {
        self.channel = channel
        self.handler = handler
        self.states = states
    }

    /// Shakes hands over `socket`, a connected descriptor that is given away. `second` goes out with the greeting, so
    /// that both take one round trip, and must be answered with `done`.
    package static func open(
        _ socket: consuming OwnedDescriptor, on loop: any EventLoop, second: AgentRequest? = nil,
        timeout: Duration = .seconds(5)
    ) async throws(MachineError) -> AgentConnection {
        let (states, feed) = AsyncStream.makeStream(of: AppState.self, bufferingPolicy: .bufferingNewest(16))
        let raw = socket.release()
        do {
            let (channel, handler) = try await ClientBootstrap(group: loop)
                .withConnectedSocket(raw) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let handler = AgentHandler(states: feed)
                        try channel.pipeline.syncOperations.addHandler(handler)
                        return (channel, NIOLoopBound(handler, eventLoop: channel.eventLoop))
                    }
                }
            let connection = AgentConnection(channel: channel, handler: handler, states: states)
            do {
                try await connection.greet(second, timeout: timeout)
            } catch {
                await connection.close()
                throw error
            }
            return connection
        } catch let error as MachineError {
            throw error
        } catch {
            throw .network("cannot speak to the guest's agent: \(error)")
        }
    }

    private func greet(_ second: AgentRequest?, timeout: Duration) async throws(MachineError) {
        let handler = handler
        let requests: [AgentRequest] = [.hello(version: AgentProtocol.version)] + (second.map { [$0] } ?? [])
        let answers: [AgentReport]
        do {
            answers = try await channel.eventLoop.flatSubmit {
                let futures = requests.map { handler.value.send($0, timeout: TimeAmount(timeout)) }
                return EventLoopFuture.whenAllSucceed(futures, on: handler.eventLoop)
            }.get()
        } catch {
            throw .network("the guest's agent did not answer: \(error)")
        }
        guard case .hello = answers.first else {
            throw .network("the guest's agent answered the greeting with something else")
        }
        if case .failed(let message) = answers.last {
            throw .network("the guest's agent refused: \(String(decoding: message, as: UTF8.self))")
        }
    }

    /// Sends one request and returns its answer; `failed` is thrown with the guest's words.
    @discardableResult
    package func request(_ request: AgentRequest, timeout: Duration = .seconds(5)) async throws(MachineError)
        -> AgentReport
    {
        let handler = handler
        let answer: AgentReport
        do {
            answer = try await channel.eventLoop.flatSubmit {
                handler.value.send(request, timeout: TimeAmount(timeout))
            }.get()
        } catch {
            throw .network("the guest's agent did not answer: \(error)")
        }
        if case .failed(let message) = answer {
            throw .network("the guest's agent refused: \(String(decoding: message, as: UTF8.self))")
        }
        return answer
    }

    /// The last `tail` bytes of the app's output and, with `follow`, all that comes; ends with the connection.
    package func logs(tail: UInt32, follow: Bool) -> AsyncStream<[UInt8]> {
        let (lines, feed) = AsyncStream.makeStream(of: [UInt8].self, bufferingPolicy: .bufferingNewest(1024))
        let handler = handler
        channel.eventLoop.execute { handler.value.subscribe(tail: tail, follow: follow, feed) }
        return lines
    }

    package func close() async {
        // A channel that is closed already is what we want.
        try? await channel.close()
    }
}

/// Turns frames into answers, states and log chunks. A peer that breaks the protocol is disconnected.
final class AgentHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var decoder = AgentDecoder()
    private var lastID: UInt32 = 0
    private var waiting: [UInt32: EventLoopPromise<AgentReport>] = [:]
    private var logs: [UInt32: LogFeed] = [:]
    private let states: AsyncStream<AppState>.Continuation
    private var context: ChannelHandlerContext?
    /// The guest decides how much it sends: more unread answers than this is an attack.
    private static let mostWaiting = 64

    init(states: AsyncStream<AppState>.Continuation) {
        self.states = states
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func send(_ request: AgentRequest, timeout: TimeAmount) -> EventLoopFuture<AgentReport> {
        guard let context, context.channel.isActive, waiting.count < Self.mostWaiting else {
            return (self.context?.eventLoop ?? MultiThreadedEventLoopGroup.singleton.any())
                .makeFailedFuture(ChannelError.ioOnClosedChannel)
        }
        lastID &+= 1
        let id = lastID
        let promise = context.eventLoop.makePromise(of: AgentReport.self)
        waiting[id] = promise
        write(request, id: id, context: context)
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let timer = context.eventLoop.scheduleTask(in: timeout) {
            bound.value.waiting.removeValue(forKey: id)?.fail(ChannelError.connectTimeout(timeout))
        }
        promise.futureResult.whenComplete { _ in timer.cancel() }
        return promise.futureResult
    }

    func subscribe(tail: UInt32, follow: Bool, _ feed: AsyncStream<[UInt8]>.Continuation) {
        guard let context, context.channel.isActive else { return feed.finish() }
        lastID &+= 1
        logs[lastID] = LogFeed(feed: feed)
        write(.logs(tailBytes: tail, follow: follow), id: lastID, context: context)
    }

    private func write(_ request: AgentRequest, id: UInt32, context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: request.frame(id: id).encoded)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        decoder.append(unwrapInboundIn(data).readableBytesView)
        do {
            while let frame = try decoder.next() { deliver(try AgentReport(frame), id: frame.id) }
        } catch {
            context.close(promise: nil)
        }
    }

    private func deliver(_ report: AgentReport, id: UInt32) {
        switch report {
        case .log(_, _, let bytes): logs[id]?.feed.yield(bytes)
        case .done where logs[id]?.isAccepted == false: logs[id]?.isAccepted = true
        case .done, .failed:
            if let log = logs.removeValue(forKey: id) { return log.feed.finish() }
            waiting.removeValue(forKey: id)?.succeed(report)
        case .state(let state) where id == 0: states.yield(state)
        default: waiting.removeValue(forKey: id)?.succeed(report)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        for promise in waiting.values { promise.fail(ChannelError.eof) }
        waiting.removeAll()
        for log in logs.values { log.feed.finish() }
        logs.removeAll()
        states.finish()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

/// One subscription to the log: accepted by a first `done`, ended by a second one unless it follows.
private struct LogFeed {
    let feed: AsyncStream<[UInt8]>.Continuation
    var isAccepted = false
}
