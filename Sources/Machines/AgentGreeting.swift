import Glibc
import GuestBoot
import LinuxHost

/// The first exchange with an agent, made by the thread that has connected.
struct AgentGreeting: Sendable {
    /// The ids up to this one are taken by the greeting and what goes with it.
    static let lastID: UInt32 = 2

    /// Holds what came after the greeting's answers.
    private(set) var decoder = AgentDecoder()
    private(set) var states: [AppState] = []
    private var answers: [UInt32: AgentReport] = [:]

    /// What is said first: the greeting, and with it `second`.
    static func bytes(_ second: AgentRequest?) -> [UInt8] {
        let frames = [AgentRequest.hello(version: AgentProtocol.version)] + (second.map { [$0] } ?? [])
        return frames.enumerated().flatMap { $1.frame(id: UInt32($0 + 1)).encoded }
    }

    /// Blocks until the greeting, and so many requests with it, are answered.
    mutating func exchange(
        over socket: borrowing OwnedDescriptor, requests: Int, deadline: ContinuousClock.Instant
    ) throws(MachineError) {
        while answers.count <= requests { try receive(from: socket, deadline) }
        guard case .hello = answers[1] else {
            if case .failed(let message) = answers[1] { throw .refused(by: message) }
            throw .network("the guest's agent answered the greeting with something else")
        }
        if case .failed(let message) = answers[2] { throw .refused(by: message) }
    }

    private mutating func receive(
        from socket: borrowing OwnedDescriptor, _ deadline: ContinuousClock.Instant
    ) throws(MachineError) {
        let left = (deadline - .now) / .milliseconds(1)
        var entry = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
        guard left > 0, poll(&entry, 1, Int32(clamping: Int64(left.rounded(.up)))) != 0 else {
            throw .network("the guest's agent did not answer in time")
        }
        var chunk = [UInt8](repeating: 0, count: 4096)
        let count = chunk.withUnsafeMutableBytes { read(socket.rawValue, $0.baseAddress, $0.count) }
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { throw .network("the guest's agent closed the connection") }
        decoder.append(chunk[..<count])
        do {
            while let frame = try decoder.next() { take(try AgentReport(frame), id: frame.id) }
        } catch {
            throw .network("the guest's agent does not speak its protocol: \(error)")
        }
    }

    private mutating func take(_ report: AgentReport, id: UInt32) {
        if id != 0 { answers[id] = report } else if case .state(let state) = report { states.append(state) }
    }
}
