import MachinePool
import Synchronization

/// What a running gateway shows: a live block on a terminal, plain lines elsewhere.
final class ServeDisplay: Sendable {
    private struct State {
        var block: StatusBlock
        var terminal = LiveTerminal()
    }

    private let state: Mutex<State>
    private let live: Bool
    /// A line for each change of the machines, for logs and pipes.
    private let plain: Bool

    /// `sharesTerminal`: others write to the same terminal, so that nothing on it can be redrawn.
    init(block: StatusBlock, quiet: Bool, sharesTerminal: Bool) {
        state = Mutex(State(block: block))
        live = Output.stderrIsTerminal && !quiet && !sharesTerminal
        plain = !live && !quiet
    }

    func begin() {
        state.withLock { state in
            if live {
                Output.write(state.block.box + "\n" + state.terminal.update(to: state.block.lines), to: 2)
            } else if plain {
                Output.talk("fcctl: serving \(state.block.image) on \(state.block.url) (max \(state.block.max))")
            }
        }
    }

    func say(_ message: String) {
        state.withLock { state in
            if live {
                Output.write(state.terminal.print("fcctl: \(message)", above: state.block.lines), to: 2)
            } else {
                Output.talk("fcctl: \(message)")
            }
        }
    }

    /// Shows the pool as it changes; ends when cancelled.
    func follow(_ pool: Pool) async {
        guard live || plain else { return }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                var last = ContinuousClock.now
                for await _ in pool.events() {
                    // At most ten times a second. Cancelled: the last state need not be shown.
                    if ContinuousClock.now - last < .milliseconds(100) {
                        try? await Task.sleep(for: .milliseconds(100))
                    }
                    last = .now
                    self.show(pool.status())
                }
            }
            // Requests that change no machine's state make no event.
            group.addTask {
                while !Task.isCancelled {
                    self.show(pool.status())
                    try? await Task.sleep(for: .seconds(1))  // cancelled: the loop ends
                }
            }
        }
    }

    private func show(_ status: PoolStatus) {
        state.withLock { state in
            let before = state.block
            state.block.take(status)
            if live {
                Output.write(state.terminal.update(to: state.block.lines), to: 2)
            } else if plain, state.block.instances != before.instances {
                Output.talk("fcctl: " + state.block.plainLine)
            }
        }
    }
}

extension StatusBlock {
    mutating func take(_ status: PoolStatus) {
        idle = status.instances.idle
        busy = status.instances.busy
        paused = status.instances.paused + status.instances.pausing
        booting = status.instances.booting + status.instances.restoring + status.instances.resuming
        active = status.requests.active
        queued = status.requests.queued
        total = status.requests.total
        starts = [
            ("cold", status.starts.cold), ("warm", status.starts.warm), ("snapshot", status.starts.snapshot),
        ].map { word, start in
            Start(word: word, count: start.count, milliseconds: start.count > 0 ? start.averageMilliseconds : nil)
        }
    }
}
