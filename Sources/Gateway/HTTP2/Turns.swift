import NIOCore

/// Connections that have something to do before the loop waits for events again. All of them together cost the loop one
/// task, however many there are.
final class Turns {
    private let loop: any EventLoop
    private var due: [ClientConnection] = []
    private var taken: [ClientConnection] = []

    init(loop: any EventLoop) {
        self.loop = loop
    }

    func add(_ connection: ClientConnection) {
        due.append(connection)
        if due.count > 1 { return }
        let bound = NIOLoopBound(self, eventLoop: loop)
        loop.execute { bound.value.run() }
    }

    private func run() {
        // Whoever has more to do then waits for the next time.
        swap(&due, &taken)
        for connection in taken where connection.isTurnDue { connection.turn() }
        taken.removeAll(keepingCapacity: true)
    }
}
