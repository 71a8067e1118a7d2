import FoundationEssentials
import LinuxHost
import NIOCore
import NIOHTTP1
import NIOPosix
import SystemPackage

/// One keep-alive connection to the API socket of a Firecracker.
struct FirecrackerClient: Sendable {
    private let channel: any Channel

    /// Takes over a connected socket.
    static func open(
        _ socket: consuming OwnedDescriptor, group: any EventLoopGroup
    ) async throws(FirecrackerError) -> FirecrackerClient {
        do {
            let channel = try await ClientBootstrap(group: group).channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHTTPClientHandlers()
                    try pipeline.addHandler(NIOHTTPClientResponseAggregator(maxContentLength: 1 << 20))
                    try pipeline.addHandler(FirecrackerHandler())
                }
            }.withConnectedSocket(socket.release()).get()
            return FirecrackerClient(channel: channel)
        } catch {
            throw .unreachable("\(error)")
        }
    }

    /// Makes the call; throws `.rejected` unless the status is one of success. Ends with its time-out, not by
    /// cancellation.
    @discardableResult
    func send(
        _ request: FirecrackerRequest, within timeout: TimeAmount = .seconds(5)
    ) async throws(FirecrackerError) -> [UInt8] {
        let promise = channel.eventLoop.makePromise(of: FirecrackerAnswer.self)
        // Answers are matched by their order, so the place of one that was given up stays taken.
        let deadline = channel.eventLoop.scheduleTask(in: timeout) { promise.fail(FirecrackerError.timedOut) }
        defer { deadline.cancel() }
        let written = channel.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenFailure { error in
            // A closed channel fails the write before it reaches the handler.
            promise.fail((error as? FirecrackerError) ?? FirecrackerError.unreachable("the connection is closed"))
        }
        channel.writeAndFlush(FirecrackerCall(request: request, answer: promise), promise: written)
        let answer: FirecrackerAnswer
        do {
            answer = try await promise.futureResult.get()
        } catch {
            throw (error as? FirecrackerError) ?? .unreachable("\(error)")
        }
        guard (200..<300).contains(answer.status) else {
            throw .rejected(status: answer.status, fault: APIFault.message(in: answer.body))
        }
        return answer.body
    }

    func get<Answer: Decodable>(_ request: FirecrackerRequest, as type: Answer.Type) async throws(FirecrackerError)
        -> Answer
    {
        let body = try await send(request)
        guard let answer = try? JSONDecoder().decode(type, from: Data(body)) else {
            throw .undecodable(String(decoding: body.prefix(200), as: UTF8.self))
        }
        return answer
    }

    /// Returns when the connection is closed.
    func close() async {
        let closed = channel.closeFuture
        channel.close(promise: nil)
        try? await closed.get()  // a connection that is closed already is what was wanted
    }
}
