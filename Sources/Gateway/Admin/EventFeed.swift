import FoundationEssentials
import MachinePool
import NIOConcurrencyHelpers
import NIOCore

/// Hands the pool's notices to the readers of `/api/events`, each as one server-sent event.
final class EventFeed: Sendable {
    private struct State: Sendable {
        var readers: [ObjectIdentifier: Reader] = [:]
        var sequence: UInt64 = 0
    }

    private struct Reader: Sendable {
        let loop: any EventLoop
        let client: NIOLoopBound<ClientHandler>
    }

    private let state = NIOLockedValueBox(State())
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// Passes notices on as they come, and the status each second in which it changed, until cancelled.
    func run(_ pool: Pool) async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                for await notice in pool.events() { self.send(event: notice.kind.rawValue, Self.json(notice)) }
            }
            group.addTask { await self.watch(pool) }
        }
    }

    /// A comment every 15 s finds readers that are dead.
    private func watch(_ pool: Pool) async {
        var last: PoolStatus?
        var silence = 0
        while !Task.isCancelled {
            // Cancelled: the loop ends.
            try? await Task.sleep(for: .seconds(1))
            guard state.withLockedValue({ !$0.readers.isEmpty }) else { continue }
            let status = pool.status()
            silence += 1
            if status != last {
                last = status
                silence = 0
                send(event: "status", Self.json(status))
            } else if silence >= 15 {
                silence = 0
                send(": still here\n\n")
            }
        }
    }

    /// What a reader sees first.
    static func greeting(_ pool: Pool) -> String { "retry: 2000\nevent: status\ndata: \(json(pool.status()))\n\n" }

    static func json(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // The encoder fails only for numbers that JSON does not have, of which there are none.
        guard let data = try? encoder.encode(value) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    /// False when there are as many readers as may be.
    func subscribe(_ client: ClientHandler, on loop: any EventLoop) -> Bool {
        let reader = Reader(loop: loop, client: NIOLoopBound(client, eventLoop: loop))
        let id = ObjectIdentifier(client)
        return state.withLockedValue { state in
            guard state.readers.count < limit else { return false }
            state.readers[id] = reader
            return true
        }
    }

    func unsubscribe(_ id: ObjectIdentifier) {
        _ = state.withLockedValue { $0.readers.removeValue(forKey: id) }
    }

    private func send(event: String, _ json: String) {
        let number = state.withLockedValue { state in
            state.sequence += 1
            return state.sequence
        }
        send("id: \(number)\nevent: \(event)\ndata: \(json)\n\n")
    }

    private func send(_ text: String) {
        let readers = state.withLockedValue { Array($0.readers.values) }
        for reader in readers { reader.loop.execute { reader.client.value.event(text) } }
    }
}
