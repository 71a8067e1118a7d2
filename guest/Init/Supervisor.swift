import CGuest

/// The life of PID 1 after the boot: one poll loop over signals, the app's output and the host's connections.
final class Supervisor {
    let configuration: RunConfiguration
    private let scratch: Int32
    private let signals: Int32
    let listener: Int32
    let app: AppProcess
    var output: [(file: Int32, stream: LogStream)]
    var ring = LogRing(capacity: 256 << 10)
    var clients: [AgentClient] = []
    var wasEverGreeted = false
    var state: AppState
    private var killAt: UInt64?
    private var scanAt: UInt64 = 0

    init(_ configuration: RunConfiguration, scratch: Int32) throws(BootError) {
        self.configuration = configuration
        self.scratch = scratch
        signals = try BootError.check(g_signal_descriptor(), "read signals")
        listener = try BootError.check(g_listen(configuration.agentPort), "open the agent's port")
        app = try AppProcess(configuration)
        output = [(app.output, .stdout), (app.errors, .stderr)]
        state = AppState(phase: .starting, appPort: configuration.appPort, startedNanoseconds: g_uptime())
        if let failure = app.startFailure() { state.phase = .ended(failure) }
    }

    /// Returns when the app has ended and everybody who wanted to know does.
    func run() {
        while !hasEnded {
            turn(until: min(killAt ?? .max, scanAt))
            let now = g_uptime()
            if let deadline = killAt, now >= deadline {
                kill(-1, SIGKILL)
                killAt = nil
            }
            if now >= scanAt { scan(at: now) }
        }
        takeLastOutput()
        announceState()
        printEnd()
        waitForClients()
        kill(-1, SIGKILL)
        FileSystems.flush(scratch: scratch)
    }

    private var hasEnded: Bool {
        if case .ended = state.phase { true } else { false }
    }

    /// Waits until something happens or the time has come, and deals with it.
    private func turn(until deadline: UInt64) {
        var list = [pollfd(fd: signals, events: Int16(POLLIN), revents: 0)]
        list.append(pollfd(fd: listener, events: Int16(POLLIN), revents: 0))
        for source in output { list.append(pollfd(fd: source.file, events: Int16(POLLIN), revents: 0)) }
        for client in clients {
            let events = client.hasPending ? POLLIN | POLLOUT : POLLIN
            list.append(pollfd(fd: client.socket, events: Int16(events), revents: 0))
        }
        let now = g_uptime()
        let wait = deadline > now ? min((deadline - now + 999_999) / 1_000_000, 60_000) : 0
        guard poll(&list, nfds_t(list.count), Int32(wait)) > 0 else { return }
        let sources = output
        let waiting = clients
        for (index, source) in sources.enumerated() where list[2 + index].revents != 0 { takeOutput(source) }
        for (index, client) in waiting.enumerated() where list[2 + sources.count + index].revents != 0 {
            serve(client, list[2 + sources.count + index].revents)
        }
        if list[1].revents != 0 { acceptClients() }
        if list[0].revents != 0 { takeSignals() }
        for client in clients { client.feed(ring) }
        clients.removeAll { $0.isClosing && !$0.hasPending }
    }

    private func takeSignals() {
        while true {
            switch g_next_signal(signals) {
            case 0: return
            case SIGCHLD: reap()
            case SIGINT, SIGTERM, SIGPWR: stop(grace: 10_000)
            case let number: kill(app.pid, number)
            }
        }
    }

    private func reap() {
        var code: Int32 = 0
        var signal: Int32 = 0
        while true {
            let pid = g_reap(&code, &signal)
            if pid == 0 { return }
            if pid == app.pid, !hasEnded {
                state.phase = .ended(
                    AppExit(
                        code: UInt8(truncatingIfNeeded: code), signal: UInt8(truncatingIfNeeded: signal), message: []))
            }
        }
    }

    func stop(grace milliseconds: UInt32) {
        kill(app.pid, Int32(configuration.stopSignal))
        let deadline = g_uptime() + UInt64(milliseconds) * 1_000_000
        killAt = min(killAt ?? .max, deadline)
    }

    private func takeOutput(_ source: (file: Int32, stream: LogStream)) {
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        let count = chunk.withUnsafeMutableBytes { read(source.file, $0.baseAddress, $0.count) }
        if count > 0 {
            ring.append(chunk[..<count], from: source.stream)
        } else if count == 0 {
            close(source.file)
            output.removeAll { $0.file == source.file }
        }
    }

    /// What the app wrote before it ended is still in the pipes; a child that lives on may keep writing, so not for ever.
    private func takeLastOutput() {
        for source in output {
            for _ in 0..<16 {
                let before = ring.end
                takeOutput(source)
                if ring.end == before { break }
            }
        }
    }

    // MARK: Readiness

    private func scan(at now: UInt64) {
        let found = currentState()
        let age = now - state.startedNanoseconds
        scanAt =
            switch found.phase {
            case .listening: .max
            case .loopbackOnly: now + 100_000_000
            // Looking costs time that the app needs to start: 2 % of its age, between 2 and 50 ms.
            default: now + min(max(age / 50, 2_000_000), 50_000_000)
            }
        guard found != state else { return }
        state = found
        announceState()
    }

    /// The state with the listeners as they are now.
    func currentState() -> AppState {
        guard !hasEnded else { return state }
        var ports: [ListeningPort] = []
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            if let text = readFile(table, limit: 1 << 20) { ListeningPorts.scan(text, into: &ports) }
        }
        var found = state
        found.otherPorts = ports.filter { $0.number != configuration.appPort && $0.number != configuration.agentPort }
        if let port = ports.first(where: { $0.number == configuration.appPort }) {
            found.phase = port.isLoopbackOnly ? .loopbackOnly : .listening
            if found.listeningNanoseconds == 0, !port.isLoopbackOnly { found.listeningNanoseconds = g_uptime() }
        } else if found.phase != .listening {
            found.phase = .starting
        }
        return found
    }

    func announceState() {
        for client in clients where client.hasSaidHello { client.send(.state(state), id: 0) }
    }

    // MARK: The end

    /// For a host that was not connected: one line and the last words, at most 4 KiB.
    private func printEnd() {
        guard case .ended(let exit) = state.phase else { return }
        var text = Array("fcctl: app ended code=\(exit.code) signal=\(exit.signal) ".utf8) + exit.message + [0x0a]
        var position = ring.tail(lines: 20)
        while let run = ring.read(from: position, limit: 4096) {
            text += run.bytes
            position = run.position + UInt64(run.bytes.count)
        }
        if text.last != 0x0a { text.append(0x0a) }
        Console.write(text)
    }

    /// Half a second at most for the connected clients to take the state and the log; three for the first one to come:
    /// a host that boots a machine is on its way while a short job is over already.
    private func waitForClients() {
        let ended = g_uptime()
        while true {
            let deadline = ended + (wasEverGreeted ? 500_000_000 : 3_000_000_000)
            for client in clients { client.feed(ring) }
            let now = g_uptime()
            if now >= deadline || (wasEverGreeted && clients.allSatisfy { $0.isSettled(at: now) }) { return }
            turn(until: min(deadline, now + 5_000_000))
        }
    }
}
