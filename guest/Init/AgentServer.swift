import CGuest

// What the host may ask of PID 1; AgentProtocol.swift has the words.
extension Supervisor {
    private static let maximumClients = 32

    func acceptClients() {
        while true {
            var peer: [UInt8] = [0, 0, 0, 0]
            let socket = g_accept(listener, &peer)
            guard socket >= 0 else { return }
            // Only the host: neither the app nor anyone it lets in may stop the machine or set its clock.
            guard peer == configuration.gateway.bytes else {
                close(socket)
                continue
            }
            if clients.count >= Self.maximumClients { dropStalest() }
            g_notice_dead_peer(socket)
            clients.append(AgentClient(socket: socket))
        }
    }

    /// Makes room for a new client: the host must always get in, whatever became of its earlier connections.
    private func dropStalest() {
        let silent = clients.filter { !$0.hasSaidHello }
        guard let stalest = (silent.isEmpty ? clients : silent).min(by: { $0.lastHeardAt < $1.lastHeardAt }) else {
            return
        }
        clients.removeAll { $0 === stalest }
    }

    func serve(_ client: AgentClient, _ events: Int16) {
        if Int32(events) & POLLOUT != 0 { client.flush() }
        guard Int32(events) & (POLLIN | POLLHUP | POLLERR) != 0 else { return }
        var isOpen = client.receive() && !client.isClosing
        do throws(AgentProtocolError) {
            while isOpen, let frame = try client.decoder.next() {
                try handle(AgentRequest(frame), id: frame.id, from: client)
                isOpen = !client.isClosing
            }
        } catch {
            isOpen = false
        }
        if !isOpen { clients.removeAll { $0 === client } }
    }

    private func handle(
        _ request: AgentRequest, id: UInt32, from client: AgentClient
    ) throws(AgentProtocolError) {
        if case .hello(let version) = request, !client.hasSaidHello {
            guard version == AgentProtocol.version else {
                let text = "the guest speaks version \(AgentProtocol.version) of the agent protocol, not \(version)"
                client.send(.failed(message: Array(text.utf8)), id: id)
                throw .wrongVersion(version)
            }
            client.greetedAt = g_uptime()
            wasEverGreeted = true
            client.send(.hello(version: AgentProtocol.version, uptimeNanoseconds: g_uptime()), id: id)
            return client.send(.state(state), id: 0)
        }
        guard client.hasSaidHello else { throw .helloExpected }
        switch request {
        case .hello: throw .malformed(type: 1)
        case .setClock(let nanoseconds): answer(g_set_clock(nanoseconds), "set the clock", id, client)
        case .logs(let tailBytes, let follow):
            client.send(.done, id: id)
            let tail = UInt64(tailBytes)
            let position = max(ring.start, ring.end > tail ? ring.end - tail : 0)
            client.logs = (id, position, follow ? nil : ring.end)
        case .stop(let milliseconds):
            client.send(.done, id: id)
            stop(grace: milliseconds)
        case .status: client.send(.state(currentState()), id: id)
        case .reseed(let bytes): answer(g_add_entropy(bytes, bytes.count, 1), "reseed", id, client)
        case .ping: client.send(.done, id: id)
        case .quiesce: answer(g_quiesce(), "drop caches", id, client)
        case .renew(let nanoseconds, let entropy, let hostname):
            answer(
                Identity.renew(entropy: entropy, clock: nanoseconds, name: hostname), "renew the clone", id, client)
        }
    }

    private func answer(_ result: Int32, _ operation: String, _ id: UInt32, _ client: AgentClient) {
        let report: AgentReport =
            result < 0 ? .failed(message: Array("\(operation): \(describe(errno: -result))".utf8)) : .done
        client.send(report, id: id)
    }
}
