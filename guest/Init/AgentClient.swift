import CGuest

/// One connection of the host. Everything is non-blocking: a client that does not read only hurts itself.
final class AgentClient {
    let socket: Int32
    let openedAt = g_uptime()
    private(set) var lastHeardAt = g_uptime()
    var decoder = AgentDecoder()
    /// When the client said hello, and whether it ever asked for the log.
    var greetedAt: UInt64?
    private(set) var hasAskedForLogs = false
    var isClosing = false
    /// The request that subscribed to the log, and the position of the next byte to send.
    var logs: (request: UInt32, position: UInt64, end: UInt64?)? {
        didSet { hasAskedForLogs = true }
    }
    private var pending: [UInt8] = []
    private var sent = 0

    /// Frames that nobody reads may pile up to this; log text waits in the ring instead.
    private static let maximumPending = 256 << 10
    private static let comfortablePending = 32 << 10

    init(socket: Int32) {
        self.socket = socket
    }

    deinit {
        close(socket)
    }

    var hasPending: Bool { sent < pending.count }
    var hasRoomForLogs: Bool { pending.count - sent < Self.comfortablePending }
    var hasSaidHello: Bool { greetedAt != nil }

    /// Everything was sent and the host's kernel has it; a new client also had the time to ask for the log.
    func isSettled(at now: UInt64) -> Bool {
        guard let greetedAt, !hasPending, g_unacknowledged(socket) <= 0 else { return false }
        return hasAskedForLogs || now >= greetedAt + 250_000_000
    }

    func send(_ report: AgentReport, id: UInt32) {
        if sent > 0 {
            pending.removeFirst(sent)
            sent = 0
        }
        pending.append(contentsOf: report.frame(id: id).encoded)
        if pending.count > Self.maximumPending { isClosing = true }
        flush()
    }

    func flush() {
        while hasPending {
            let count = pending.withUnsafeBytes {
                CGuest.send(socket, $0.baseAddress?.advanced(by: sent), $0.count - sent, MSG_NOSIGNAL)
            }
            if count > 0 {
                sent += count
            } else if g_errno() == EAGAIN {
                return
            } else if g_errno() != EINTR {
                isClosing = true
                return drop()
            }
        }
        drop()
    }

    private func drop() {
        pending.removeAll(keepingCapacity: true)
        sent = 0
    }

    /// Moves what has arrived, 16 KiB at most, into the decoder. False at the end of the connection.
    func receive() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        let count = chunk.withUnsafeMutableBytes { read(socket, $0.baseAddress, $0.count) }
        if count > 0 {
            lastHeardAt = g_uptime()
            decoder.append(chunk[..<count])
            return true
        }
        return count < 0 && (g_errno() == EAGAIN || g_errno() == EINTR)
    }

    /// Sends log text while the client keeps up. True when something was sent.
    func feed(_ ring: LogRing) {
        while hasRoomForLogs, !isClosing, let subscription = logs {
            let run = ring.read(from: subscription.position, limit: AgentReport.maximumLogBytes)
            if let end = subscription.end, run?.position ?? end >= end {
                logs = nil
                return send(.done, id: subscription.request)
            }
            guard let run else { return }
            logs?.position = run.position + UInt64(run.bytes.count)
            send(.log(run.stream, position: run.position, bytes: run.bytes), id: subscription.request)
        }
    }
}
