import FoundationEssentials
import LinuxHost
import NIOCore
import NIOPosix
import SystemPackage

/// One QMP connection. QEMU serves one client at a time: a second one is not greeted until the first has gone.
struct QMPClient: Sendable {
    let version: String
    /// Names of events as they come, for one reader; ends with the connection. Old ones that nobody read are dropped.
    let events: AsyncStream<String>
    private let eventFeed: AsyncStream<String>.Continuation
    private let channel: any Channel

    /// Takes over a connected socket, waits for the greeting and negotiates.
    static func open(
        _ socket: consuming OwnedDescriptor, within timeout: TimeAmount, group: any EventLoopGroup,
        onEvent: @escaping @Sendable (String) -> Void
    ) async throws(QMPError) -> QMPClient {
        let loop = group.next()
        let greeting = loop.makePromise(of: String.self)
        let deadline = loop.scheduleTask(in: timeout) { greeting.fail(QMPError.timedOut) }
        defer { deadline.cancel() }
        let (events, feed) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingNewest(16))
        let onEvent: @Sendable (String) -> Void = { event in
            feed.yield(event)
            onEvent(event)
        }
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: loop).channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(QMPHandler(greeting: greeting, onEvent: onEvent))
                }
            }.withConnectedSocket(socket.release()).get()
        } catch {
            greeting.fail(error)
            throw .transport("\(error)")
        }
        do {
            let version = try await withTaskCancellationHandler {
                try await greeting.futureResult.get()
            } onCancel: {
                channel.close(promise: nil)
            }
            channel.closeFuture.whenComplete { _ in feed.finish() }
            let client = QMPClient(version: version, events: events, eventFeed: feed, channel: channel)
            _ = try await client.execute(QMPCommand("qmp_capabilities"))
            return client
        } catch {
            channel.close(promise: nil)
            throw (error as? QMPError) ?? .transport("\(error)")
        }
    }

    /// Runs a command and returns the line that answers it. Not cancellable: it ends with its time-out.
    @discardableResult
    func execute(_ command: QMPCommand, within timeout: TimeAmount = .seconds(5)) async throws(QMPError) -> [UInt8] {
        let answer = channel.eventLoop.makePromise(of: [UInt8].self)
        let deadline = channel.eventLoop.scheduleTask(in: timeout) { answer.fail(QMPError.timedOut) }
        defer { deadline.cancel() }
        let written = channel.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenFailure { error in
            // Once the channel is closed a write does not reach the handler, which would fail the answer.
            answer.fail((error as? QMPError) ?? QMPError.closed)
        }
        channel.writeAndFlush(QMPCall(command: command, answer: answer), promise: written)
        do {
            return try await answer.futureResult.get()
        } catch {
            throw (error as? QMPError) ?? .transport("\(error)")
        }
    }

    /// Ends `events` after a time; for good.
    func endEvents(in timeout: TimeAmount) -> Scheduled<Void> {
        channel.eventLoop.scheduleTask(in: timeout) { [eventFeed] in eventFeed.finish() }
    }

    /// Asks with a command that has no arguments.
    func query<Answer: Decodable>(_ command: String, as type: Answer.Type) async throws(QMPError) -> Answer {
        let line = try await execute(QMPCommand(command))
        guard let answer = try? JSONDecoder().decode(QueryAnswer<Answer>.self, from: Data(line)) else {
            throw .undecodable(String(decoding: line.prefix(200), as: UTF8.self))
        }
        return answer.return
    }

    /// `query-status`: whether the vCPUs run, and QEMU's word for the state.
    func status() async throws(QMPError) -> (running: Bool, name: String) {
        let answer = try await query("query-status", as: Status.self)
        return (answer.running, answer.status)
    }

    /// Returns when the connection is closed.
    func close() async {
        let closed = channel.closeFuture
        channel.close(promise: nil)
        try? await closed.get()  // a connection that is closed already is what was wanted
    }

    private struct Status: Decodable {
        let running: Bool
        let status: String
    }

    private struct QueryAnswer<Answer: Decodable>: Decodable {
        let `return`: Answer
    }
}
