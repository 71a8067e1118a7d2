import Logging
package import MachinePool
import NIOConcurrencyHelpers
import Telemetry

/// Starts: over tasks, or at once on a thread of their own.
extension PoolDriver {
    package func start(_ machine: MachineRef, _ method: StartMethod) {
        let (abandoned, giveUp) = AsyncStream.makeStream(of: Void.self)
        // Before the command is seen, so that a stop which comes right behind it finds the start.
        state.withLockedValue { $0.starting[machine] = giveUp }
        if method == .restore, startAtOnce(machine) { return }
        feed.yield(.start(machine, method, abandoned: abandoned))
    }

    /// What a machine's start has come to.
    private enum Arrival {
        case kept(Machine)
        /// Nobody wants it any more. To be destroyed, and then reported as gone.
        case unwanted(Machine)
        case failed
    }

    func start(
        _ ref: MachineRef, _ method: StartMethod, _ abandoned: AsyncStream<Void>, _ pool: Pool, _ actions: Actions
    ) async {
        let begin = method == .restore ? actions.restore ?? actions.boot : actions.boot
        switch arrive(ref, method, await outcome(of: begin, unless: abandoned), pool) {
        case .kept(let machine): await watch(machine, ref, pool, actions)
        case .unwanted(let machine): await discard(machine, ref, pool)
        case .failed: break
        }
    }

    /// Runs a start; when the pool gives it up meanwhile the start is cancelled, which frees what it had made.
    private func outcome(
        of begin: @escaping Actions.Start, unless abandoned: AsyncStream<Void>
    ) async -> Result<Actions.Started, MachineError> {
        await withTaskGroup(of: Result<Actions.Started, MachineError>?.self) { group in
            group.addTask {
                do throws(MachineError) { return .success(try await begin()) } catch { return .failure(error) }
            }
            group.addTask {
                for await _ in abandoned { break }
                return nil
            }
            var first = await group.next() ?? nil
            group.cancelAll()
            while first == nil, let next = await group.next() { first = next }
            return first ?? .failure(.cancelled)
        }
    }

    private func arrive(
        _ ref: MachineRef, _ method: StartMethod, _ outcome: Result<Actions.Started, MachineError>, _ pool: Pool
    ) -> Arrival {
        switch outcome {
        case .failure(let error):
            let wanted = state.withLockedValue { $0.starting.removeValue(forKey: ref) != nil }
            if wanted {
                logger.warning("machine did not start", metadata: [LogKeys.error: "\(error)"])
                pool.report(.failed(ref, reason: error.description))
            }
            pool.report(.gone(ref, reason: wanted ? error.description : nil))
            return .failed
        case .success(let (machine, record)):
            let kept = state.withLockedValue { state in
                guard state.starting.removeValue(forKey: ref) != nil else { return false }
                state.entries[ref] = Entry(machine: machine, record: record)
                return true
            }
            guard kept else { return .unwanted(machine) }
            pool.describe(ref, as: MachineDescription(id: record.id.text, address: record.address))
            pool.report(.ready(ref))
            logger.info(
                "machine is ready",
                metadata: [LogKeys.machine: "\(record.id)", LogKeys.startKind: "\(method.rawValue)"])
            // A clone was recorded before it ran.
            if method == .restore { note(ref) }
            return .kept(machine)
        }
    }

    private func discard(_ machine: Machine, _ ref: MachineRef, _ pool: Pool) async {
        await machine.destroy()
        pool.report(.gone(ref))
    }

    // MARK: At once

    private func startAtOnce(_ ref: MachineRef) -> Bool {
        let (begin, pool) = state.withLockedValue { state in
            if state.restoreAtOnce != nil { state.atOnce += 1 }
            return (state.restoreAtOnce, state.pool)
        }
        guard let begin, let pool else { return false }
        let hasBegun = begin { outcome in
            switch outcome {
            case .failed(let error, let free):
                self.leave {
                    await free()
                    _ = self.arrive(ref, .restore, .failure(error), pool)
                }
            case .started(let started):
                switch self.arrive(ref, .restore, .success(started), pool) {
                case .kept: self.feed.yield(.watch(ref))
                case .unwanted(let machine): self.leave { await self.discard(machine, ref, pool) }
                case .failed: break
                }
            }
            self.startAtOnceEnded()
        }
        if !hasBegun { startAtOnceEnded() }
        return hasBegun
    }

    /// Leaves to a task what a thread cannot wait for.
    private func leave(_ work: @escaping @Sendable () async -> Void) {
        state.withLockedValue { $0.unwanted.append(work) }
        feed.yield(.freeUnwanted)
    }

    /// Frees one machine that nobody wants, if there is one.
    @discardableResult
    func freeUnwanted() async -> Bool {
        guard let work = state.withLockedValue({ $0.unwanted.popLast() }) else { return false }
        await work()
        return true
    }

    private func startAtOnceEnded() {
        let waiting = state.withLockedValue { state -> CheckedContinuation<Void, Never>? in
            state.atOnce -= 1
            return state.atOnce == 0 ? state.lastAtOnce.take() : nil
        }
        waiting?.resume()
    }

    /// Allows no more of them, and returns when the last one is over: its machine can be found then, or is gone.
    func endOfStartsAtOnce() async {
        await withCheckedContinuation { continuation in
            let isStill = state.withLockedValue { state in
                state.restoreAtOnce = nil
                if state.atOnce > 0 { state.lastAtOnce = continuation }
                return state.atOnce == 0
            }
            if isStill { continuation.resume() }
        }
    }
}
