import NIOConcurrencyHelpers

/// Lets so many through at once; one task at a time may wait.
final class Gate: Sendable {
    private struct State {
        var free: Int
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state: NIOLockedValueBox<State>

    init(_ count: Int) { state = NIOLockedValueBox(State(free: count)) }

    /// Not ended by cancellation: what is inside is cancelled as well, and leaves.
    func enter() async {
        await withCheckedContinuation { continuation in
            let enters = state.withLockedValue { state in
                if state.free > 0 {
                    state.free -= 1
                    return true
                }
                state.waiter = continuation
                return false
            }
            if enters { continuation.resume() }
        }
    }

    func leave() {
        let waiter = state.withLockedValue { state -> CheckedContinuation<Void, Never>? in
            guard let waiter = state.waiter else {
                state.free += 1
                return nil
            }
            state.waiter = nil
            return waiter
        }
        waiter?.resume()
    }
}
