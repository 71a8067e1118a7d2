import GuestBoot
package import Logging
package import MachinePool
import NIOConcurrencyHelpers
import Telemetry
import VMM

/// Carries out what the pool decides: boots, pauses, resumes and stops real machines and reports how it went.
package final class PoolDriver: MachineDriver {
    enum Command: Sendable {
        /// The stream says when the pool gives the machine up before its start is over.
        case start(MachineRef, StartMethod, abandoned: AsyncStream<Void>)
        case watch(MachineRef)
        /// Free what is left of a start that came to nothing.
        case freeUnwanted
        case pause(MachineRef)
        case resume(MachineRef)
        case stop(MachineRef)
    }

    /// How the driver boots one machine and what must happen around its pauses.
    package struct Actions: Sendable {
        package typealias Started = PreparedClone.Started
        package typealias Start = @Sendable () async throws(MachineError) -> Started
        /// Begins a start and says on any thread how it went; false where it cannot begin at once.
        package typealias StartAtOnce = @Sendable (_ done: @escaping @Sendable (OutcomeAtOnce) -> Void) -> Bool
        package enum OutcomeAtOnce: Sendable {
            case started(Started)
            /// What the start had made is there until it is freed.
            case failed(MachineError, free: @Sendable () async -> Void)
        }

        package var boot: Start
        /// Nil where there are no snapshots; the pool asks for restores only once it is told that there is one.
        package var restore: Start?
        /// Tried before `restore`.
        package var restoreAtOnce: StartAtOnce?
        /// Returns when no connection of ours to the machine is open: a paused guest must receive nothing.
        package var closeConnections: @Sendable (MachineRef) async -> Void

        package init(
            boot: @escaping Start, restore: Start? = nil, restoreAtOnce: StartAtOnce? = nil,
            closeConnections: @escaping @Sendable (MachineRef) async -> Void
        ) {
            self.boot = boot
            self.restore = restore
            self.restoreAtOnce = restoreAtOnce
            self.closeConnections = closeConnections
        }
    }

    struct Entry {
        var machine: Machine
        var record: MachineRecord
        var isPaused = false
    }

    struct State {
        var entries: [MachineRef: Entry] = [:]
        /// Machines whose start is under way, each with the way to give it up; whoever removes one decides its end.
        var starting: [MachineRef: AsyncStream<Void>.Continuation] = [:]
        /// Set while commands are carried out.
        var pool: Pool?
        var restoreAtOnce: Actions.StartAtOnce?
        /// Starts that are under way on threads of their own, and who waits for their end.
        var atOnce = 0
        var lastAtOnce: CheckedContinuation<Void, Never>?
        /// What frees machines that nobody wants.
        var unwanted: [@Sendable () async -> Void] = []
        /// Machines whose records are behind.
        var unwritten: Set<MachineRef> = []
    }

    let state = NIOLockedValueBox(State())
    private let commands: AsyncStream<Command>
    let feed: AsyncStream<Command>.Continuation
    package let logger: Logger
    private let stopGrace: Duration

    package init(logger: Logger, stopGrace: Duration = .seconds(5)) {
        (commands, feed) = AsyncStream.makeStream()
        self.logger = logger
        self.stopGrace = stopGrace
    }

    package func pause(_ machine: MachineRef) { feed.yield(.pause(machine)) }

    /// Begins at once where that is possible: the way over the stream and the tasks would be a good part of the whole.
    package func resume(_ ref: MachineRef) {
        let (machine, pool) = state.withLockedValue { ($0.entries[ref]?.machine, $0.pool) }
        if let machine, let pool, machine.beginResume({ error in self.resumed(ref, error, pool) }) { return }
        feed.yield(.resume(ref))
    }

    package func stop(_ machine: MachineRef, reason: StopReason) { feed.yield(.stop(machine)) }

    /// The machine behind a reference, for connecting to it; nil once it is gone.
    package func machine(_ ref: MachineRef) -> Machine? { state.withLockedValue { $0.entries[ref]?.machine } }
    package func record(_ ref: MachineRef) -> MachineRecord? { state.withLockedValue { $0.entries[ref]?.record } }

    /// Carries out commands until it is cancelled; then every machine is destroyed.
    package func run(pool: Pool, actions: Actions) async {
        state.withLockedValue { ($0.pool, $0.restoreAtOnce) = (pool, actions.restoreAtOnce) }
        await withDiscardingTaskGroup { group in
            group.addTask { await self.writeNotes() }
            for await command in commands {
                group.addTask { await self.carryOut(command, pool, actions) }
            }
            group.cancelAll()
        }
        await endOfStartsAtOnce()
        while await freeUnwanted() {}
        let left = state.withLockedValue { state in
            defer { (state.entries, state.pool) = ([:], nil) }
            return state.entries.values.map(\.machine)
        }
        for machine in left { await machine.destroy() }
    }

    private func carryOut(_ command: Command, _ pool: Pool, _ actions: Actions) async {
        switch command {
        case .start(let ref, let method, let abandoned): await start(ref, method, abandoned, pool, actions)
        case .freeUnwanted: await freeUnwanted()
        case .watch(let ref): if let machine = machine(ref) { await watch(machine, ref, pool, actions) }
        case .pause(let ref): await pause(ref, pool, actions)
        case .resume(let ref): await resume(ref, pool)
        case .stop(let ref): await stop(ref, pool, actions)
        }
    }

    /// Lives as long as the machine: its VMM's end and its app's end are both the machine's end.
    func watch(_ machine: Machine, _ ref: MachineRef, _ pool: Pool, _ actions: Actions) async {
        let reason = await withTaskGroup(of: String?.self) { group in
            group.addTask {
                await machine.vm.waitForExit()
                return Task.isCancelled ? nil : "the instance's VMM ended"
            }
            group.addTask {
                for await state in machine.agent.states {
                    if case .ended(let exit) = state.phase { return "the app \(exit)" }
                }
                // The connection broke; whether the machine did is the other task's to say.
                await machine.vm.waitForExit()
                return Task.isCancelled ? nil : "the instance's VMM ended"
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
        guard let reason, take(ref) != nil else { return }
        logger.warning(
            "machine ended by itself", metadata: [LogKeys.machine: "\(machine.id)", LogKeys.error: "\(reason)"])
        pool.report(.failed(ref, reason: reason))
        await actions.closeConnections(ref)
        await machine.destroy()
        pool.report(.gone(ref, reason: reason))
    }

    /// Whoever takes the entry ends the machine; everybody else finds nothing.
    private func take(_ ref: MachineRef) -> Entry? {
        state.withLockedValue { $0.entries.removeValue(forKey: ref) }
    }

    private func pause(_ ref: MachineRef, _ pool: Pool, _ actions: Actions) async {
        guard let machine = machine(ref) else { return }
        await actions.closeConnections(ref)
        await machine.settle()
        // It may have been told to stop meanwhile, and a guest that stands still cannot.
        guard self.machine(ref) != nil else { return }
        do throws(MachineError) {
            try await machine.pause()
            mark(ref, paused: true)
            pool.report(.paused(ref))
            await write(ref, as: .paused)
        } catch {
            pool.report(.failed(ref, reason: error.description))
        }
    }

    private func resume(_ ref: MachineRef, _ pool: Pool) async {
        guard let machine = machine(ref) else { return }
        do throws(MachineError) {
            try await machine.resume(forRequest: true)
            resumed(ref, nil, pool)
        } catch {
            resumed(ref, error, pool)
        }
    }

    private func resumed(_ ref: MachineRef, _ error: MachineError?, _ pool: Pool) {
        if let error { return pool.report(.failed(ref, reason: error.description)) }
        mark(ref, paused: false)
        pool.report(.resumed(ref))
        note(ref)
    }

    /// Has it written down how the machine is, for people who list machines: after the request that it was started for,
    /// which needs the cores. Wakes nobody.
    func note(_ ref: MachineRef) {
        state.withLockedValue { _ = $0.unwritten.insert(ref) }
    }

    private func writeNotes() async {
        while !Task.isCancelled {
            // Cancelled: all machines are about to go.
            try? await Task.sleep(for: .milliseconds(200))
            let due = state.withLockedValue { state in
                defer { state.unwritten = [] }
                return state.unwritten.compactMap { ref in state.entries[ref].map { (ref, $0.isPaused) } }
            }
            for (ref, isPaused) in due { await write(ref, as: isPaused ? .paused : .running) }
        }
    }

    private func mark(_ ref: MachineRef, paused: Bool) {
        state.withLockedValue { $0.entries[ref]?.isPaused = paused }
    }

    private func write(_ ref: MachineRef, as state: MachineRecord.State) async {
        guard let entry = self.state.withLockedValue({ $0.entries[ref] }) else { return }
        await entry.machine.note(state, in: entry.record)
    }

    private func stop(_ ref: MachineRef, _ pool: Pool, _ actions: Actions) async {
        guard let entry = take(ref) else {
            // Still starting: the start is cancelled and reports the end. Otherwise it ended by itself and was reported.
            state.withLockedValue { $0.starting.removeValue(forKey: ref) }?.yield()
            return
        }
        await actions.closeConnections(ref)
        if entry.isPaused {
            // A paused app cannot see its stop signal. One that cannot be continued is killed by the stop.
            try? await entry.machine.resume()
        }
        await entry.machine.stop(grace: stopGrace)
        pool.report(.gone(ref))
    }
}
