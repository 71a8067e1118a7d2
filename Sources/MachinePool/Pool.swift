import Glibc
import NIOConcurrencyHelpers

/// The pool at run time: `PoolState` behind a lock, a timer, and a driver that does what it decides.
///
/// Each call applies one event under the lock and acts on the answer after the lock is released, on the caller's thread.
package final class Pool: Sendable {
    package typealias Reply = @Sendable (consuming sending Result<Lease, PoolRejection>) -> Void

    struct Core: Sendable {
        var state: PoolState
        var replies: [Ticket: Reply] = [:]
        var lastTicket: UInt64 = 0
        var descriptions: [MachineRef: MachineDescription] = [:]
        var drains: [CheckedContinuation<Void, Never>] = []
        var isDrained = false
        /// What the driver has not been told yet, and whether a thread is at it.
        var calls: [PoolAction] = []
        var isCalling = false
        var watch: PoolWatch
        let recorder: PoolRecorder?
        /// The alarm that is set, so that one that was overtaken is not taken for it.
        var alarm: PoolTime?
    }

    let core: NIOLockedValueBox<Core>
    let driver: any MachineDriver
    let notices = NoticeBoard()
    let epoch: ContinuousClock.Instant
    /// How long a request waits for a machine.
    package let queueTimeout: Duration
    private let begun: Int64
    private let alarms: AsyncStream<PoolTime>
    let setAlarm: AsyncStream<PoolTime>.Continuation

    /// Nothing happens before the first call: machines for `min` are started by `run`, or by the first request.
    /// A recorder gets everything that happens in the pool.
    package init(configuration: PoolConfiguration, driver: any MachineDriver, recorder: PoolRecorder? = nil) {
        let state = PoolState(configuration: configuration)
        let watch = PoolWatch(concurrency: state.configuration.concurrency)
        core = NIOLockedValueBox(Core(state: state, watch: watch, recorder: recorder))
        self.driver = driver
        queueTimeout = state.configuration.queueTimeout
        epoch = .now
        begun = Self.clock()
        (alarms, setAlarm) = AsyncStream.makeStream(bufferingPolicy: .unbounded)
    }

    /// Keeps the timer. Run it for the pool's whole life, the drain included: without it nothing that depends on time
    /// happens. Returns when cancelled.
    package func run() async {
        apply(.timerFired)
        await withDiscardingTaskGroup { group in
            for await alarm in alarms {
                group.addTask {
                    // Cancellation ends the sleep early; an early look at the clock does no harm.
                    try? await Task.sleep(until: self.epoch + .nanoseconds(alarm.nanoseconds), clock: .continuous)
                    self.ring(alarm)
                }
            }
        }
    }

    /// Asks for a machine.
    ///
    /// - Parameters:
    ///   - priority: The request had a machine that died under it: it goes ahead of those that never had one.
    ///   - reply: Makes what is called, exactly once and on whichever thread decides, if the answer has to be waited for.
    ///     Not called after `cancel`, unless it was under way: then the lease it carries is returned by dropping it.
    /// - Returns: The answer, for nearly all requests, or what `cancel` takes.
    package func acquire(priority: Bool = false, orWait reply: () -> Reply) -> Acquisition {
        let now = self.now
        let (ticket, decision) = core.withLockedValue { core in
            core.lastTicket += 1
            let ticket = Ticket(number: core.lastTicket)
            let decision = core.decide(.requestArrived(ticket, priority: priority), at: now)
            if case .waits = decision.arrival { core.replies[ticket] = reply() }
            return (ticket, decision)
        }
        perform(decision, at: now)
        switch decision.arrival {
        case .granted(let grant): return .granted(Lease(grant, pool: self, at: now))
        case .rejected(let rejection): return .rejected(rejection)
        case .waits: return .waiting(ticket)
        }
    }

    /// Withdraws a request that waits. Without effect if it was answered already.
    package func cancel(_ ticket: Ticket) {
        let now = self.now
        let decision = core.withLockedValue { core -> Decision in
            guard core.replies.removeValue(forKey: ticket) != nil else { return Decision() }
            return core.decide(.requestCancelled(ticket), at: now)
        }
        perform(decision, at: now)
    }

    /// Says that a request is about to come, for instance because its client began a TLS handshake.
    ///
    /// If there is no room for one more, a machine is resumed or started, and no second one however often this is said
    /// before it is there. Nothing has to be taken back: a machine nobody came for is an idle one.
    package func expectRequest() { apply(.requestExpected) }

    /// Takes an event from the driver; from any thread, in any order, late or not.
    package func report(_ event: MachineEvent) { apply(.machine(event)) }

    /// Gives a machine the id and address that people see. Forgotten when the machine is gone.
    package func describe(_ machine: MachineRef, as description: MachineDescription) {
        core.withLockedValue { core in
            if core.state.isKnown(machine) { core.descriptions[machine] = description }
        }
    }

    /// Says whether starts may be restores. After a restore failed, only this allows another one.
    package func snapshotAvailable(_ available: Bool) { apply(.snapshotAvailable(available)) }

    /// Changes the bytes that all machines together may hold. Nil: only `max` counts.
    package func limitMemory(to bytes: Int64?) { apply(.memoryBudget(bytes)) }

    package var hasWaitingRequests: Bool { core.withLockedValue { !$0.state.queue.isEmpty } }

    /// Counts, machines in detail, configuration; linear in the number of machines.
    package func status() -> PoolStatus {
        core.withLockedValue { core in
            var status = core.state.status { core.descriptions[$0] }
            status.invariantViolations = core.watch.violations
            status.eventLog = core.recorder.map { PoolStatus.EventLog($0.totals) }
            return status
        }
    }

    /// What happens in the pool from now on, all of it or some kinds. A reader that is too slow loses the oldest notices.
    package func events(of kinds: Set<PoolNotice.Kind>? = nil) -> AsyncStream<PoolNotice> {
        notices.subscribe(to: kinds)
    }

    /// Stops accepting requests, lets those accepted finish, and ends every machine.
    ///
    /// After `deadline` the machines that are still busy are ended as well. Returns when no machine is left; cancelling
    /// does not shorten it.
    package func drain(deadline: Duration) async {
        apply(.drainStarted(deadline: deadline))
        await withTaskGroup { group in
            // The deadline holds even if `run` has been cancelled.
            group.addTask {
                // Cancelled when the drain is over first, which is what the clock was for.
                try? await Task.sleep(for: deadline, clock: .continuous)
                if !Task.isCancelled { self.apply(.timerFired) }
            }
            await withCheckedContinuation { continuation in
                let over = core.withLockedValue { core in
                    if !core.isDrained { core.drains.append(continuation) }
                    return core.isDrained
                }
                if over { continuation.resume() }
            }
            group.cancelAll()
        }
    }

    func finish(_ machine: MachineRef, _ outcome: LeaseOutcome, granted: PoolTime) {
        let now = self.now
        apply(.leaseEnded(machine, outcome, held: max(0, now - granted)), at: now)
    }

    /// Nanoseconds since the pool was made, on the clock that `ContinuousClock` reads as well; without its 128-bit
    /// divisions, which cost more than the rest of a decision.
    var now: PoolTime { PoolTime(nanoseconds: Self.clock() - begun) }

    private static func clock() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    func apply(_ event: PoolEvent) { apply(event, at: now) }

    private func apply(_ event: PoolEvent, at now: PoolTime) {
        perform(core.withLockedValue { $0.decide(event, at: now) }, at: now)
    }

    private func ring(_ alarm: PoolTime) {
        let now = self.now
        let decision = core.withLockedValue { core in
            core.alarm == alarm ? core.decide(.timerFired, at: now) : Decision()
        }
        perform(decision, at: now)
    }
}
