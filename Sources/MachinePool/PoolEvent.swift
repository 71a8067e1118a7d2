/// Everything that can happen to the pool.
package enum PoolEvent: Sendable {
    /// A request wants a machine. `priority`: it had one that died, and goes ahead of the others.
    case requestArrived(Ticket, priority: Bool)
    /// A request is about to come; nothing holds its place.
    case requestExpected
    /// The client left while the request waited.
    case requestCancelled(Ticket)
    /// A lease was returned after `held` nanoseconds.
    case leaseEnded(MachineRef, LeaseOutcome, held: Int64)
    case machine(MachineEvent)
    /// Whether a start may be a restore; after a failed restore only this event allows the next one.
    case snapshotAvailable(Bool)
    /// Bytes that all machines may hold together. Nil: only `max` counts.
    case memoryBudget(Int64?)
    /// The time asked for by `wake` has come.
    case timerFired
    /// No new requests; machines end as their leases do, and after `deadline` all of them at once.
    case drainStarted(deadline: Duration)
}

/// What the shell does after an event, in this order.
package enum PoolAction: Sendable, Equatable {
    case grant(Ticket, PoolGrant)
    case reject(Ticket, PoolRejection)
    case start(MachineRef, StartMethod)
    case pause(MachineRef)
    case resume(MachineRef)
    case stop(MachineRef, StopReason)
    /// Send `timerFired` at this time; replaces the time asked for before.
    case wake(at: PoolTime)
    case circuit(open: Bool)
    /// The drain is over: no leases, no machines.
    case drained
}

/// The machine a request gets, and what it waited for.
package struct PoolGrant: Sendable, Equatable {
    package let machine: MachineRef
    package let startKind: StartKind
    /// Nanoseconds in the queue before the machine's start began.
    package let queued: Int64
    /// Nanoseconds of the machine's start that the request waited for.
    package let started: Int64
}

/// Why a request gets no machine.
package enum PoolRejection: Error, Sendable, Equatable, CustomStringConvertible {
    case queueFull(retryAfter: Duration)
    case queueTimeout(retryAfter: Duration)
    case draining
    case failing(retryAfter: Duration, reason: String)

    /// When it is worth asking again. Nil: not this pool.
    package var retryAfter: Duration? {
        switch self {
        case .queueFull(let after), .queueTimeout(let after), .failing(let after, _): after
        case .draining: nil
        }
    }

    /// The name used in metrics.
    package var label: String {
        switch self {
        case .queueFull: "queue_full"
        case .queueTimeout: "queue_timeout"
        case .draining: "draining"
        case .failing: "failing"
        }
    }

    package var description: String {
        switch self {
        case .queueFull: "every instance is busy and the queue is full; try again later or raise --max or --queue-size"
        case .queueTimeout: "no instance became free in time; try again later or raise --max or --queue-timeout"
        case .draining: "the gateway is shutting down"
        case .failing(_, let reason): "instances do not stay up (\(reason)); see the app's log"
        }
    }
}
