import CLinuxHost
import Glibc
import Synchronization
import SystemPackage

/// The end of one process, as something that tasks can await. All of them are watched by a single thread.
package final class ProcessExit: Sendable {
    private struct State {
        var ended = false
        var status: TerminationStatus?
        var nextWaiter: UInt64 = 0
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    }

    private let process: Pidfd
    private let state = Mutex(State())

    /// Watches `process` until it ends, and reaps it if it is our child, whether or not this value is kept.
    package static func watch(_ process: consuming Pidfd) throws(HostError) -> ProcessExit {
        let exit = ProcessExit(process)
        try ExitWatch.shared.add(exit)
        return exit
    }

    private init(_ process: consuming Pidfd) {
        self.process = process
    }

    package var pid: Int32 { process.pid }
    package var hasEnded: Bool { state.withLock { $0.ended } }
    /// How it ended; nil while it runs and for a process that was not our child.
    package var status: TerminationStatus? { state.withLock { $0.status } }

    /// SIGKILL; one that has already ended is no error.
    package func kill() {
        // The only failures are a process that is gone and one of another user, which we did not start.
        _ = try? process.signal(SIGKILL)
    }

    /// Returns when the process has ended, whatever happens to the task: for clean-up after a kill.
    package func waitUncancelled() async {
        await withCheckedContinuation { continuation in
            let ended = state.withLock { state in
                if state.ended { return true }
                state.nextWaiter += 1
                state.waiters[state.nextWaiter] = continuation
                return false
            }
            if ended { continuation.resume() }
        }
    }

    /// Returns when the process has ended, or when the task is cancelled.
    package func wait() async {
        let token = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let atOnce = state.withLock { state in
                    if state.ended || Task.isCancelled { return true }
                    state.waiters[token] = continuation
                    return false
                }
                if atOnce { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: token) }?.resume()
        }
    }

    var descriptor: Int32 { process.rawValue }

    fileprivate func ended() {
        let status = process.reap()
        let waiters = state.withLock { state in
            state.ended = true
            state.status = status
            defer { state.waiters = [:] }
            return state.waiters.values
        }
        for waiter in waiters { waiter.resume() }
    }
}

/// The thread that waits for every process at once; it starts with the first one.
private final class ExitWatch: Sendable {
    static let shared = ExitWatch()

    private struct State {
        var set: Int32 = -1
        var watched: [Int32: ProcessExit] = [:]
    }

    private let state = Mutex(State())

    func add(_ exit: ProcessExit) throws(HostError) {
        let result = state.withLock { state -> Int32 in
            if state.set < 0 {
                let set = lh_exit_set_create()
                guard set >= 0 else { return set }
                let started = lh_start_thread("exit-watch", { ExitWatch.shared.run($0) }, set)
                guard started == 0 else {
                    close(set)
                    return started
                }
                state.set = set
            }
            state.watched[exit.descriptor] = exit
            let added = lh_exit_set_add(state.set, exit.descriptor)
            if added < 0 { state.watched[exit.descriptor] = nil }
            return added
        }
        try HostError.check(result, "watch the process", "\(exit.pid)")
    }

    private func run(_ set: Int32) {
        while true {
            let descriptor = lh_exit_set_next(set)
            // The descriptor lives as long as its entry, so it cannot have been reused by another one.
            let exit = state.withLock { $0.watched.removeValue(forKey: descriptor) }
            exit?.ended()
        }
    }
}
