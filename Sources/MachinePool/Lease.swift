/// The right to send one request to one machine.
///
/// A lease cannot be copied and returns itself, so that it is returned exactly once: by `end`, or as aborted when it is
/// dropped.
package struct Lease: ~Copyable, Sendable {
    package let machine: MachineRef
    package let startKind: StartKind
    /// Nanoseconds in the queue before the machine's start began.
    package let queued: Int64
    /// The nanoseconds of the machine's start that the request waited for; zero if the machine was running.
    package let started: Int64
    private let pool: Pool
    private let granted: PoolTime
    private var outcome = LeaseOutcome.aborted

    init(_ grant: PoolGrant, pool: Pool, at granted: PoolTime) {
        machine = grant.machine
        startKind = grant.startKind
        queued = grant.queued
        started = grant.started
        self.pool = pool
        self.granted = granted
    }

    /// Returns the lease. Call it when the last byte from the machine has been read, or when nothing more will be.
    package consuming func end(_ outcome: LeaseOutcome) { self.outcome = outcome }

    deinit { pool.finish(machine, outcome, granted: granted) }
}

/// What a request for a machine gets at once.
package enum Acquisition: ~Copyable, Sendable {
    case granted(Lease)
    case rejected(PoolRejection)
    /// The answer comes later; the ticket is what `cancel` takes.
    case waiting(Ticket)
}
