import Glibc
package import LinuxHost
import Synchronization
import SystemPackage

/// What a refused connection means to the caller.
package enum Refusal: Sendable {
    /// The server should be there: fail at once.
    case fails
    /// The guest is still starting: try again until the deadline.
    case waits
}

extension Slot {
    /// A connected, non-blocking TCP socket to `port` of the guest, without Nagle's delay. Blocks until `deadline` at
    /// the latest: call it off the cooperative threads.
    package func connect(
        port: UInt16, deadline: ContinuousClock.Instant, refusal: Refusal = .fails
    ) throws(HostNetworkError) -> OwnedDescriptor {
        try connect(to: SlotAddresses.guest, port: port, deadline: deadline, refusal: refusal)
    }

    func connect(
        to address: IPv4Address, port: UInt16, deadline: ContinuousClock.Instant, refusal: Refusal
    ) throws(HostNetworkError) -> OwnedDescriptor {
        let connecting = try Connecting(self, to: address, port: port, refusal: refusal, patience: .milliseconds(10))
        return try connecting.finish(by: deadline)
    }

    /// Begins a connection to `port` of the guest, to be finished after what is more urgent. Does not block. Where no
    /// packet can be lost, a longer patience spares a busy guest second attempts.
    package func beginConnecting(
        port: UInt16, patience: Duration = .milliseconds(10)
    ) throws(HostNetworkError) -> Connecting {
        try Connecting(self, to: SlotAddresses.guest, port: port, refusal: .fails, patience: patience)
    }
}

/// A connection to a guest that is under way, to be finished once, by any thread.
package final class Connecting: Sendable {
    private let slot: Slot
    private let address: IPv4Address
    private let port: UInt16
    private let refusal: Refusal
    private let start: ContinuousClock.Instant
    private let progress: Mutex<Progress>

    private struct Progress: ~Copyable {
        var schedule: ConnectSchedule
        var attempts = ConnectAttempts()
    }

    fileprivate init(
        _ slot: Slot, to address: IPv4Address, port: UInt16, refusal: Refusal, patience: Duration
    ) throws(HostNetworkError) {
        (self.slot, self.address, self.port, self.refusal) = (slot, address, port, refusal)
        start = .now
        progress = Mutex(Progress(schedule: ConnectSchedule(start: start, patience: patience)))
        try progress.withLock { progress throws(HostNetworkError) in try attempt(&progress, at: start) }
    }

    /// Blocks until there is a connection, at the latest until `deadline`.
    package func finish(by deadline: ContinuousClock.Instant) throws(HostNetworkError) -> OwnedDescriptor {
        OwnedDescriptor(
            try progress.withLock { progress throws(HostNetworkError) in try finish(&progress, by: deadline) })
    }

    private func finish(
        _ progress: inout Progress, by deadline: ContinuousClock.Instant
    ) throws(HostNetworkError) -> Int32 {
        var wasRefused = false
        while true {
            switch try progress.attempts.wait(until: min(deadline, progress.schedule.next)) {
            case .connected(let raw): return raw
            case .nothing: break
            case .refused:
                wasRefused = true
                if refusal == .fails { throw .refused(port: port) }
                progress.schedule.refused(at: .now)
            }
            let now = ContinuousClock.now
            if now >= deadline {
                throw wasRefused ? .refused(port: port) : .unanswered(port: port, after: deadline - start)
            }
            try attempt(&progress, at: now)
        }
    }

    private func attempt(_ progress: inout Progress, at now: ContinuousClock.Instant) throws(HostNetworkError) {
        guard progress.schedule.attempt(at: now) else { return }
        try progress.attempts.add(try slot.socket(), to: address, port: port)
    }
}

/// Connections under way to one address; those that did not win are closed with the value.
private struct ConnectAttempts: ~Copyable {
    enum Outcome { case nothing, refused, connected(Int32) }
    private var sockets: [Int32] = []

    deinit {
        for socket in sockets { close(socket) }
    }

    mutating func add(
        _ socket: consuming OwnedDescriptor, to address: IPv4Address, port: UInt16
    ) throws(HostNetworkError) {
        var on: Int32 = 1
        // Without it small answers wait for acknowledgements; with it refused, they are only slower.
        _ = setsockopt(socket.rawValue, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        var off: Int32 = 0
        // We speak first: what we say can carry the last acknowledgement of the handshake, a packet less for the guest.
        _ = setsockopt(socket.rawValue, Int32(IPPROTO_TCP), TCP_QUICKACK, &off, socklen_t(MemoryLayout<Int32>.size))
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = address.value.bigEndian
        let result = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket.rawValue, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 ? 0 : errno
            }
        }
        guard result == 0 || result == EINPROGRESS || result == ECONNREFUSED else {
            throw HostNetworkError(HostError("connect to", "\(address):\(port)", Errno(rawValue: result)))
        }
        if sockets.count == ConnectSchedule.most { close(sockets.removeFirst()) }
        sockets.append(socket.release())
    }

    mutating func wait(until instant: ContinuousClock.Instant) throws(HostNetworkError) -> Outcome {
        let left = (instant - .now).components
        // Rounded up: a wait that ends early would spin.
        let milliseconds = max(
            0, left.seconds * 1000 + (left.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
        var states = sockets.map { pollfd(fd: $0, events: Int16(POLLOUT), revents: 0) }
        let count = poll(&states, nfds_t(states.count), Int32(clamping: milliseconds))
        if count < 0, errno != EINTR {
            throw .system(HostError("wait for", "a connection to a guest", Errno(rawValue: errno)))
        }
        if count <= 0 { return .nothing }
        var outcome = Outcome.nothing
        for state in states where state.revents != 0 {
            var failure: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(state.fd, SOL_SOCKET, SO_ERROR, &failure, &size)
            sockets.removeAll { $0 == state.fd }
            if failure == 0 { return .connected(state.fd) }
            close(state.fd)
            if failure == ECONNREFUSED { outcome = .refused }
        }
        return outcome
    }
}
