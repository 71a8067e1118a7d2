import FoundationEssentials
import Glibc
import LinuxHost
import NIOConcurrencyHelpers

/// One keep-alive connection to the API socket of a Firecracker. Its calls block: most take some hundred microseconds,
/// no more than the way to an event loop and back.
final class FirecrackerClient: Sendable {
    private let socket: OwnedDescriptor
    /// Answers belong to calls by their order alone, so that only one call is made at a time.
    private let turn = ConditionLock(value: Turn.free)
    private enum Turn { case free, taken }

    /// Takes over a connected socket.
    init(_ socket: consuming OwnedDescriptor) {
        self.socket = socket
    }

    /// Makes the call; throws `.rejected` unless the status is one of success. After any other error the connection is
    /// of no use.
    @discardableResult
    func send(
        _ request: FirecrackerRequest, within timeout: Duration = .seconds(5)
    ) throws(FirecrackerError) -> [UInt8] {
        try finish(Call(request: request, state: .waiting, deadline: .now + timeout))
    }

    /// A call that is under way, to be finished once.
    struct Call: Sendable {
        fileprivate enum State { case waiting, sent, failed(FirecrackerError) }
        fileprivate let request: FirecrackerRequest
        fileprivate let state: State
        fileprivate let deadline: ContinuousClock.Instant
    }

    /// Sends the request unless another one is under way, and never waits.
    func begin(_ request: FirecrackerRequest, within timeout: Duration = .seconds(5)) -> Call {
        let deadline = ContinuousClock.now + timeout
        guard turn.lock(whenValue: .free, timeoutSeconds: 0) else {
            return Call(request: request, state: .waiting, deadline: deadline)
        }
        turn.unlock(withValue: .taken)
        do throws(FirecrackerError) {
            try write(request.bytes)
            return Call(request: request, state: .sent, deadline: deadline)
        } catch {
            close()
            endTurn()
            return Call(request: request, state: .failed(error), deadline: deadline)
        }
    }

    /// Waits for the answer to the call; throws `.rejected` unless the status is one of success.
    @discardableResult
    func finish(_ call: Call) throws(FirecrackerError) -> [UInt8] {
        let answer: FirecrackerAnswer
        switch call.state {
        case .failed(let error): throw error
        case .sent: answer = try exchange(nil, deadline: call.deadline)
        case .waiting:
            turn.lock(whenValue: .free)
            turn.unlock(withValue: .taken)
            answer = try exchange(call.request.bytes, deadline: call.deadline)
        }
        guard (200..<300).contains(answer.status) else {
            throw .rejected(status: answer.status, fault: APIFault.message(in: answer.body))
        }
        return answer.body
    }

    func get<Answer: Decodable>(_ request: FirecrackerRequest, as type: Answer.Type) throws(FirecrackerError) -> Answer
    {
        let body = try send(request)
        guard let answer = try? JSONDecoder().decode(type, from: Data(body)) else {
            throw .undecodable(String(decoding: body.prefix(200), as: UTF8.self))
        }
        return answer
    }

    /// Ends the connection and the call that is under way; the descriptor goes with the last reference.
    func close() {
        shutdown(socket.rawValue, Int32(SHUT_RDWR))
    }

    private func endTurn() {
        turn.lock()
        turn.unlock(withValue: .free)
    }

    /// In our turn, which ends with it. Nil: the bytes are sent already.
    private func exchange(
        _ bytes: [UInt8]?, deadline: ContinuousClock.Instant
    ) throws(FirecrackerError) -> FirecrackerAnswer {
        defer { endTurn() }
        do throws(FirecrackerError) {
            if let bytes { try write(bytes) }
            return try read(until: deadline)
        } catch {
            // What comes after all would be taken for the answer to the next call.
            close()
            throw error
        }
    }

    private func write(_ bytes: [UInt8]) throws(FirecrackerError) {
        // No call is longer than the buffer of a socket, and the one before has been read.
        let count = bytes.withUnsafeBytes {
            Glibc.send(socket.rawValue, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard count == bytes.count else { throw .unreachable("the connection is closed") }
    }

    private func read(until deadline: ContinuousClock.Instant) throws(FirecrackerError) -> FirecrackerAnswer {
        var received: [UInt8] = []
        while true {
            try wait(until: deadline)
            let before = received.count
            received.append(contentsOf: repeatElement(0, count: 4096))
            let count = received.withUnsafeMutableBytes {
                Glibc.read(socket.rawValue, $0.baseAddress?.advanced(by: before), 4096)
            }
            received.removeLast(4096 - max(0, count))
            if count == 0 { throw .unreachable("it closed the connection") }
            if count < 0, errno != EAGAIN, errno != EINTR { throw .unreachable("the connection broke") }
            if let answer = try FirecrackerAnswer.parse(received) { return answer }
        }
    }

    private func wait(until deadline: ContinuousClock.Instant) throws(FirecrackerError) {
        let left = (deadline - .now) / .milliseconds(1)
        guard left > 0 else { throw .timedOut }
        var entry = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
        _ = poll(&entry, 1, Int32(clamping: Int64(left.rounded(.up))))
    }
}
