/// What has happened since the pool began.
package struct PoolTotals: Sendable, Equatable {
    /// Requests that asked for a machine; each is in exactly one of the numbers below, in flight, or queued.
    package var requests = 0
    package var succeeded = 0
    /// The machine failed them: it died, broke the connection, or was cut off at the end of a drain.
    package var failed = 0
    /// Refused: queue full, too late, draining, or machines do not stay up.
    package var rejected = 0
    /// The client left.
    package var aborted = 0
    package var granted = 0
    /// Nanoseconds that granted requests waited, together.
    package var waited: Int64 = 0
    /// Machines that ended without being told to.
    package var deaths = 0
    /// Events and returned leases for machines that were gone.
    package var stale = 0
    package var starts = StartTotals()
}

/// Starts by kind, with the time they took.
package struct StartTotals: Sendable, Equatable {
    package struct Kind: Sendable, Equatable {
        package var count = 0
        /// Nanoseconds, together.
        package var cost: Int64 = 0

        package var meanMilliseconds: Double { count == 0 ? 0 : Double(cost) / Double(count) / 1_000_000 }
    }

    package var booted = Kind()
    package var resumed = Kind()
    package var restored = Kind()

    /// Nanoseconds of all starts together.
    package var cost: Int64 { booted.cost + resumed.cost + restored.cost }

    mutating func record(_ kind: StartKind, _ cost: Int64) {
        func add(_ entry: inout Kind) {
            entry.count += 1
            entry.cost += cost
        }
        switch kind {
        case .booted: add(&booted)
        case .resumed: add(&resumed)
        case .restored: add(&restored)
        case .idle: break
        }
    }
}
