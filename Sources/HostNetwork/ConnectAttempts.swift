import Glibc
import LinuxHost
import SystemPackage

/// Connections under way to one address; those that did not win are closed with the value.
struct ConnectAttempts: ~Copyable {
    enum Outcome { case nothing, refused, connected(Int32) }
    private var attempts: [Attempt] = []

    private struct Attempt {
        let socket: Int32
        /// What is to be said as soon as there is a connection.
        let unsaid: (@Sendable () -> [UInt8])?
    }

    deinit {
        for attempt in attempts { close(attempt.socket) }
    }

    /// Only the first attempt says with its packet what is to be said: a server that is merely slow would hear it from all of
    /// them, and from some after the answer.
    mutating func add(
        _ socket: consuming OwnedDescriptor, to address: IPv4Address, port: UInt16, saying: (@Sendable () -> [UInt8])?
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
        let isSaid = attempts.isEmpty ? saying.map { Self.say($0(), over: socket.rawValue, to: &name) } ?? false : false
        let result = isSaid ? 0 : Self.connect(socket.rawValue, to: &name)
        // Already: a packet without what was to be said has left.
        guard [0, EINPROGRESS, EALREADY, ECONNREFUSED].contains(result) else {
            throw HostNetworkError(HostError("connect to", "\(address):\(port)", Errno(rawValue: result)))
        }
        if attempts.count == ConnectSchedule.most { close(attempts.removeFirst().socket) }
        attempts.append(Attempt(socket: socket.release(), unsaid: isSaid ? nil : saying))
    }

    private static func connect(_ socket: Int32, to name: inout sockaddr_in) -> Int32 {
        withAddress(&name) { Glibc.connect(socket, $0, $1) == 0 ? 0 : errno }
    }

    /// Begins a connection whose first packet carries the bytes. The kernel sends them again if the server does not take
    /// them from there. False: nothing has been said, and the connection may or may not have begun.
    private static func say(_ bytes: [UInt8], over socket: Int32, to name: inout sockaddr_in) -> Bool {
        var on: Int32 = 1
        // Without the cookie that would show who we are: there is nobody else on the link.
        let noCookie: Int32 = 34
        guard setsockopt(socket, Int32(IPPROTO_TCP), noCookie, &on, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
            return false
        }
        return bytes.withUnsafeBytes { bytes in
            withAddress(&name) {
                sendto(socket, bytes.baseAddress, bytes.count, Int32(MSG_FASTOPEN) | Int32(MSG_NOSIGNAL), $0, $1)
                    == bytes.count
            }
        }
    }

    private static func withAddress<Result>(
        _ name: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    mutating func wait(until instant: ContinuousClock.Instant) throws(HostNetworkError) -> Outcome {
        let left = (instant - .now).components
        // Rounded up: a wait that ends early would spin.
        let milliseconds = max(
            0, left.seconds * 1000 + (left.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
        var states = attempts.map { pollfd(fd: $0.socket, events: Int16(POLLOUT), revents: 0) }
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
            guard let place = attempts.firstIndex(where: { $0.socket == state.fd }) else { continue }
            let unsaid = attempts.remove(at: place).unsaid
            if failure == 0, unsaid.map({ Self.say($0(), over: state.fd) }) ?? true { return .connected(state.fd) }
            close(state.fd)
            if failure == ECONNREFUSED { outcome = .refused }
        }
        return outcome
    }

    private static func say(_ bytes: [UInt8], over socket: Int32) -> Bool {
        // So few bytes fit into the buffer of a new socket.
        bytes.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) } == bytes.count
    }
}
