package import Images
package import Logging
package import MachinePool
import NIOConcurrencyHelpers
package import Snapshots
import Telemetry

/// The snapshot of one service and the clones that are prepared of it, off the way of every request: finds or makes the
/// template, keeps clones ready, and gives a template up for good the first time that a clone of it fails.
package final class CloneSupply: Sendable {
    private struct State {
        var snapshot: Snapshot?
        var ready: [PreparedClone] = []
        var isClosed = false
        /// When a request last asked for a clone.
        var lastTake: ContinuousClock.Instant?
    }

    private let starter: MachineStarter
    private let store: SnapshotStore
    private let capture: TemplateCapture
    private let hooks: SnapshotHooks
    private let request: TemplateCapture.NewMachine
    private let most: Int
    private let logger: Logger
    private let state = NIOLockedValueBox(State())
    private let taken = Signal()

    /// `most` clones are kept prepared.
    package init(
        starter: MachineStarter, store: SnapshotStore, spec: MachineSpec, image: StoredImage, hooks: SnapshotHooks,
        most: Int, logger: Logger, request: @escaping TemplateCapture.NewMachine
    ) {
        self.starter = starter
        self.store = store
        capture = TemplateCapture(
            starter: starter, store: store, spec: spec, image: image, hooks: hooks, request: request)
        self.hooks = hooks
        self.request = request
        self.most = most
        self.logger = logger
    }

    package var readyCount: Int { state.withLockedValue { $0.ready.count } }

    /// Uses a snapshot that is on disk already. Call it before the pool begins, so that its first machine is a clone.
    package func adopt(for pool: Pool) async {
        do throws(MachineError) {
            if let snapshot = try await capture.existing() {
                use(snapshot)
                // One at least, so that the first start finds it.
                try await prepareOne(snapshot)
                pool.snapshotAvailable(true)
            }
        } catch {
            logger.warning("cannot use the snapshot", metadata: [LogKeys.error: "\(error)"])
        }
    }

    /// Keeps the supply up until cancelled; then the prepared clones are ended.
    package func run(for pool: Pool) async {
        var schedule = CaptureSchedule()
        while !Task.isCancelled {
            await forgetRemoved(for: pool)
            if state.withLockedValue({ $0.snapshot }) == nil { await obtain(for: pool, &schedule) }
            let isPatient = await refill(for: pool)
            await taken.wait(atMost: isPatient ? .seconds(1) : .milliseconds(20))
        }
        let left = state.withLockedValue { state in
            defer { state.ready = [] }
            state.isClosed = true
            return state.ready
        }
        for clone in left { await clone.destroy() }
    }

    /// A running clone. `isWaitedFor`: a request waits for it, so that it is not warmed up first. When it cannot be
    /// made, the snapshot is taken out of service.
    package func restore(isWaitedFor: Bool) async throws(MachineError) -> PreparedClone.Started {
        let clone = try await take()
        do throws(MachineError) {
            let isKnown = clone.hasRehearsed
            let started = try await clone.restore(forRequest: isWaitedFor)
            taken.set()
            guard !isKnown else { return started }
            do throws(MachineError) {
                let (slot, port) = (started.machine.slot, started.record.appPort ?? 0)
                try await hooks.afterRestore(slot, port: port)
                if !isWaitedFor {
                    try await hooks.check(slot, port: port, expected: clone.snapshot.manifest.answer)
                }
            } catch {
                await started.machine.destroy()
                throw error
            }
            return started
        } catch {
            if !Task.isCancelled { await giveUp(clone.snapshot, because: error) }
            throw error
        }
    }

    /// `restore` as the pool's driver calls it.
    package func start(for pool: Pool) -> PoolDriver.Actions.Start {
        { () throws(MachineError) in try await self.restore(isWaitedFor: pool.hasWaitingRequests) }
    }

    /// A restore for a request that waits, begun at once: each step from task to task would take its turn behind what
    /// keeps the cores busy. Says on another thread how it went. False where the way over `start` has to be gone.
    package func startAtOnce(for pool: Pool) -> PoolDriver.Actions.StartAtOnce {
        { done in
            guard self.hooks.afterRestorePath == nil, pool.hasWaitingRequests,
                let (clone, restore) = self.takePrompt()
            else { return false }
            BlockingPool.begin {
                do throws(MachineError) {
                    done(.started(try restore()))
                    self.taken.set()
                } catch {
                    done(
                        .failed(error) {
                            await clone.destroy()
                            await self.giveUp(clone.snapshot, because: error)
                        })
                }
            }
            return true
        }
    }

    private func take() async throws(MachineError) -> PreparedClone {
        state.withLockedValue { $0.lastTake = .now }
        while let clone = state.withLockedValue({ $0.ready.popLast() }) {
            if clone.isUsable { return clone }
            // It died while it waited, which says nothing about the snapshot.
            await clone.destroy()
        }
        guard let snapshot = state.withLockedValue({ $0.snapshot }) else {
            throw .template("the snapshot has been taken out of service")
        }
        return try await prepare(snapshot)
    }

    /// A clone that one thread can restore, and how.
    private func takePrompt() -> (PreparedClone, PreparedClone.RestoreNow)? {
        state.withLockedValue { state in
            guard let clone = state.ready.last, clone.isUsable, let restore = clone.restoreNow(forRequest: true) else {
                return nil
            }
            state.ready.removeLast()
            state.lastTake = .now
            return (clone, restore)
        }
    }

    /// The clones that were prepared of it; nil when somebody else has dropped it already.
    private func drop(_ snapshot: Snapshot) -> [PreparedClone]? {
        state.withLockedValue { state in
            guard state.snapshot == snapshot else { return nil }
            state.snapshot = nil
            defer { state.ready = [] }
            return state.ready
        }
    }

    /// A snapshot that somebody has removed by hand: nothing starts from it any more, and another one is made.
    private func forgetRemoved(for pool: Pool) async {
        let store = store
        guard let snapshot = state.withLockedValue({ $0.snapshot }),
            await BlockingPool.run({ !store.holds(snapshot) }), let left = drop(snapshot)
        else { return }
        pool.snapshotAvailable(false)
        for clone in left { await clone.destroy() }
    }

    private func giveUp(_ snapshot: Snapshot, because error: MachineError) async {
        guard let left = drop(snapshot) else { return }
        logger.warning("the snapshot is bad and is not used again", metadata: [LogKeys.error: "\(error)"])
        let store = store
        do throws(SnapshotError) {
            try await BlockingPool.run { () throws(SnapshotError) in
                try store.quarantine(snapshot.id, reason: error.description)
            }
        } catch {
            logger.error("cannot remove a bad snapshot", metadata: [LogKeys.error: "\(error)"])
        }
        for clone in left { await clone.destroy() }
    }

    private func obtain(for pool: Pool, _ schedule: inout CaptureSchedule) async {
        // The first machine's boot is what somebody waits for; two at once take twice as long.
        guard schedule.isDue(at: .now), pool.status().instances.booting == 0 else { return }
        do throws(MachineError) {
            let snapshot = try await capture.run()
            schedule.succeeded(at: .now)
            use(snapshot)
            try await prepareOne(snapshot)
            pool.snapshotAvailable(true)
            logger.info("snapshot is ready", metadata: [LogKeys.image: "\(snapshot.manifest.image)"])
        } catch {
            if Task.isCancelled { return }
            let isFirst = schedule.failed(at: .now)
            logger.log(
                level: isFirst ? .warning : .debug, "no snapshot was made: starts are cold boots",
                metadata: [LogKeys.error: "\(error)"])
        }
    }

    private func use(_ snapshot: Snapshot) {
        state.withLockedValue { $0.snapshot = snapshot }
        store.touch(snapshot)
    }

    /// False when it gave way to a burst of starts, which has the cores first: as long as clones are there for it.
    private func refill(for pool: Pool) async -> Bool {
        while !Task.isCancelled, let snapshot = state.withLockedValue({ $0.snapshot }) {
            let status = pool.status()
            let missing = min(most, status.config.max - status.instances.total) - readyCount
            guard missing > 0 else { return true }
            if isBusy(status) { return false }
            do throws(MachineError) { try await prepareOne(snapshot) } catch {
                if !Task.isCancelled {
                    logger.warning("cannot prepare a clone", metadata: [LogKeys.error: "\(error)"])
                }
                return true
            }
        }
        return true
    }

    private func isBusy(_ status: PoolStatus) -> Bool {
        let (ready, last) = state.withLockedValue { ($0.ready.count, $0.lastTake) }
        if status.requests.queued > 0, status.instances.restoring > 0 { return true }
        // Those of a burst that have just got their machines are still at work.
        return ready > 0 && last.map { .now - $0 < Self.afterglow } ?? false
    }

    private static let afterglow = Duration.milliseconds(100)

    private func prepareOne(_ snapshot: Snapshot) async throws(MachineError) {
        let clone = try await prepare(snapshot)
        if starter.rehearses {
            do throws(MachineError) { try await clone.rehearse(hooks) } catch {
                if !Task.isCancelled { await giveUp(snapshot, because: error) }
                throw error
            }
        }
        let kept = state.withLockedValue { state in
            guard state.snapshot == snapshot, !state.isClosed else { return false }
            state.ready.append(clone)
            return true
        }
        if !kept { await clone.destroy() }
    }

    private func prepare(_ snapshot: Snapshot) async throws(MachineError) -> PreparedClone {
        try await starter.prepare(try await request(), from: snapshot)
    }
}
