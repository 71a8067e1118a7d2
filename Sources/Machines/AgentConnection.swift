import Glibc
package import GuestBoot
import HostNetwork
package import LinuxHost
package import NIOCore
import NIOPosix

/// One TCP connection to the agent in a guest: requests, the app's state as it changes, the log.
package final class AgentConnection: Sendable {
    /// Succeeds as soon as the event loop has taken the socket over.
    private let handler: EventLoopFuture<NIOLoopBound<AgentHandler>>
    /// The app's state now and each time it changes; ends with the connection. For one reader.
    package let states: AsyncStream<AppState>

    /// Shakes hands over `socket`, a connected descriptor that is given away, and leaves it to `loop`. Blocks meanwhile:
    /// whoever has just connected waits for less time than the way to the event loop and back takes.
    package static func open(
        _ socket: consuming OwnedDescriptor, on loop: any EventLoop, timeout: Duration = .seconds(5)
    ) throws(MachineError) -> AgentConnection {
        let bytes = AgentGreeting.bytes(nil)
        // So few bytes fit into the buffer of a new socket.
        let sent = bytes.withUnsafeBytes { send(socket.rawValue, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        guard sent == bytes.count else { throw .network("the guest's agent closed the connection") }
        return try open(greeted: socket, requests: 0, on: loop, deadline: .now + timeout)
    }

    /// `open` for a socket on which the greeting has been said, and with it so many requests that are to be answered with
    /// `done`.
    static func open(
        greeted socket: consuming OwnedDescriptor, requests: Int, on loop: any EventLoop,
        deadline: ContinuousClock.Instant
    ) throws(MachineError) -> AgentConnection {
        var greeting = AgentGreeting()
        try greeting.exchange(over: socket, requests: requests, deadline: deadline)
        return AgentConnection(socket, on: loop, after: greeting)
    }

    private init(_ socket: consuming OwnedDescriptor, on loop: any EventLoop, after greeting: AgentGreeting) {
        let (states, feed) = AsyncStream.makeStream(of: AppState.self, bufferingPolicy: .bufferingNewest(16))
        for state in greeting.states { feed.yield(state) }
        self.states = states
        handler = ClientBootstrap(group: loop).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(AgentHandler(after: greeting, states: feed))
            }
        }.withConnectedSocket(socket.release()).flatMapThrowing { channel in
            NIOLoopBound(
                try channel.pipeline.syncOperations.handler(type: AgentHandler.self), eventLoop: channel.eventLoop)
        }
        handler.whenFailure { _ in feed.finish() }
    }

    /// Sends one request and returns its answer; `failed` is thrown with the guest's words.
    @discardableResult
    package func request(_ request: AgentRequest, timeout: Duration = .seconds(5)) async throws(MachineError)
        -> AgentReport
    {
        try await begin(request, timeout: timeout).answer()
    }

    /// Sends one request and goes on; whoever wants the answer asks for it.
    func begin(_ request: AgentRequest, timeout: Duration = .seconds(5)) -> PendingReport {
        PendingReport(report: handler.flatMap { $0.value.send(request, timeout: TimeAmount(timeout)) })
    }

    /// The last `tail` bytes of the app's output and, with `follow`, all that comes; ends with the connection.
    package func logs(tail: UInt32, follow: Bool) -> AsyncStream<[UInt8]> {
        let (lines, feed) = AsyncStream.makeStream(of: [UInt8].self, bufferingPolicy: .bufferingNewest(1024))
        handler.whenSuccess { $0.value.subscribe(tail: tail, follow: follow, feed) }
        handler.whenFailure { _ in feed.finish() }
        return lines
    }

    /// Closes it and does not wait for that.
    func beginClose() {
        handler.whenSuccess { _ = $0.value.close() }
    }

    package func close() async {
        // A connection that is closed already is what we want.
        try? await handler.flatMap { $0.value.close() }.get()
    }
}

/// An answer of the agent that is under way.
struct PendingReport: Sendable {
    fileprivate let report: EventLoopFuture<AgentReport>

    @discardableResult
    func answer() async throws(MachineError) -> AgentReport {
        let answer: AgentReport
        do {
            answer = try await report.get()
        } catch {
            throw .network("the guest's agent did not answer: \(error)")
        }
        if case .failed(let message) = answer { throw .refused(by: message) }
        return answer
    }

    /// Blocks until the answer is there: for a thread that is no event loop's.
    func answerNow() throws(MachineError) {
        let answer: AgentReport
        do {
            answer = try report.wait()
        } catch {
            throw .network("the guest's agent did not answer: \(error)")
        }
        if case .failed(let message) = answer { throw .refused(by: message) }
    }
}

extension MachineError {
    static func refused(by message: [UInt8]) -> MachineError {
        .network("the guest's agent refused: \(String(decoding: message, as: UTF8.self))")
    }
}

/// Turns frames into answers, states and log chunks. A peer that breaks the protocol is disconnected.
final class AgentHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var decoder: AgentDecoder
    private var lastID = AgentGreeting.lastID
    private var waiting: [UInt32: EventLoopPromise<AgentReport>] = [:]
    private var logs: [UInt32: LogFeed] = [:]
    private let states: AsyncStream<AppState>.Continuation
    private var context: ChannelHandlerContext?
    /// The guest decides how much it sends: more unread answers than this is an attack.
    private static let mostWaiting = 64

    init(after greeting: AgentGreeting, states: AsyncStream<AppState>.Continuation) {
        decoder = greeting.decoder
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

    func close() -> EventLoopFuture<Void> {
        guard let context else { return MultiThreadedEventLoopGroup.singleton.any().makeSucceededVoidFuture() }
        context.close(promise: nil)
        return context.channel.closeFuture
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
