// The built-in demo image: a small HTTP/1.1 server that shows and exercises what fcctl does with an app.
import CGuest

@main
struct DemoApp {
    static func main() {
        let port = portFromEnvironment() ?? 3000
        let listener = g_listen(port)
        guard listener >= 0 else {
            say(
                "demo-app: cannot listen on port \(port): \(strerror(-listener).map { String(cString: $0) } ?? "")\n",
                to: 2)
            exit(1)
        }
        let signals = g_signal_descriptor()
        say("demo-app: listening on port \(port)\n", to: 1)
        var server = Server(listener: listener, signals: signals)
        exit(server.run())
    }

    private static func portFromEnvironment() -> UInt16? {
        guard let text = getenv("PORT") else { return nil }
        return UInt16(String(cString: text))
    }
}

func say(_ text: String, to file: Int32) {
    let bytes = Array(text.utf8)
    _ = bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
}

struct Server {
    let listener: Int32
    let signals: Int32
    private var connections: [Connection] = []
    private var routes = Routes()
    /// After SIGTERM: no new connections; ends when the answers under way are sent, or at this time.
    private var drainUntil: UInt64?

    init(listener: Int32, signals: Int32) {
        self.listener = listener
        self.signals = signals
    }

    mutating func run() -> Int32 {
        while true {
            if let code = routes.exitCode, connections.allSatisfy({ !$0.isBusy }) { return code }
            if let deadline = drainUntil, connections.allSatisfy({ !$0.isBusy }) || g_uptime() >= deadline { return 0 }
            turn()
        }
    }

    private mutating func turn() {
        let accepts = drainUntil == nil && routes.exitCode == nil
        var list = [pollfd(fd: signals, events: Int16(POLLIN), revents: 0)]
        list.append(pollfd(fd: accepts ? listener : -1, events: Int16(POLLIN), revents: 0))
        for connection in connections {
            // A connection is read only while it owes no answer, so a fast client cannot fill the memory.
            let events = connection.hasPending ? POLLOUT : connection.isBusy ? 0 : POLLIN
            list.append(pollfd(fd: connection.socket, events: Int16(events), revents: 0))
        }
        let now = g_uptime()
        let wake = min(connections.compactMap { $0.wakeAt }.min() ?? .max, drainUntil ?? .max)
        let wait = wake == .max ? -1 : wake > now ? Int32(min((wake - now + 999_999) / 1_000_000, 60_000)) : 0
        _ = poll(&list, nfds_t(list.count), wait)
        for (index, connection) in connections.enumerated() {
            let events = Int32(list[index + 2].revents)
            if events & (POLLERR | POLLHUP) != 0, events & POLLIN == 0 { connection.hasFailed = true }
            if events & POLLIN != 0 { receive(connection) }
            connection.advance(at: g_uptime())
            while !connection.isBusy, !connection.endsAfterAnswer, takeRequest(connection) {
                connection.advance(at: g_uptime())
            }
        }
        connections.removeAll { $0.isFinished }
        if list[1].revents != 0 { accept() }
        if list[0].revents != 0 { takeSignals() }
    }

    private mutating func accept() {
        while true {
            var peer: [UInt8] = [0, 0, 0, 0]
            let socket = g_accept(listener, &peer)
            guard socket >= 0 else { return }
            connections.append(Connection(socket: socket))
        }
    }

    private func receive(_ connection: Connection) {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        let count = chunk.withUnsafeMutableBytes { read(connection.socket, $0.baseAddress, $0.count) }
        if count > 0 {
            connection.parser.append(chunk[..<count])
        } else if count == 0 || (g_errno() != EAGAIN && g_errno() != EINTR) {
            connection.hasFailed = true
        }
    }

    /// Answers the next request of `connection`; false when none is complete.
    private mutating func takeRequest(_ connection: Connection) -> Bool {
        switch connection.parser.next() {
        case .needsMore: return false
        case .wantsContinue: connection.send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
        case .request(let request): routes.answer(request, on: connection)
        case .refused(let status): routes.refuse(status, on: connection)
        }
        return true
    }

    private mutating func takeSignals() {
        while true {
            switch g_next_signal(signals) {
            case 0: return
            case SIGTERM, SIGINT:
                say("demo-app: ending\n", to: 1)
                drainUntil = drainUntil ?? g_uptime() + 5_000_000_000
            default: break
            }
        }
    }
}
