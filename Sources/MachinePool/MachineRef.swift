/// One incarnation of one machine: a slot is used again, a generation never.
package struct MachineRef: Hashable, Sendable, CustomStringConvertible {
    package let slot: Int
    package let generation: UInt64

    package init(slot: Int, generation: UInt64) {
        self.slot = slot
        self.generation = generation
    }

    package var description: String { "\(slot).\(generation)" }
}

/// A request as the pool knows it, from `acquire` until it is granted, refused or cancelled.
package struct Ticket: Hashable, Sendable {
    package let number: UInt64

    package init(number: UInt64) { self.number = number }
}

/// What a machine is doing.
package enum MachineState: String, Sendable, Codable, CaseIterable {
    case booting, restoring, idle, busy, pausing, paused, resuming, draining, stopping, failed

    /// States from which a machine does not come back.
    static let leaving: [MachineState?] = [.draining, .stopping, .failed]
}

/// How a request got its machine: for headers, logs and metrics.
package enum StartKind: String, Sendable, Codable, CaseIterable {
    /// A machine that was running: idle, with room, or freed while the request waited.
    case idle
    case resumed, restored, booted
}

/// How a machine that does not exist yet is brought up.
package enum StartMethod: String, Sendable, Codable {
    case boot, restore
}

/// Why the pool ends a machine.
package enum StopReason: String, Sendable, Codable {
    case scaleDown, recycled, failed, unhealthy, drained, memory
}

/// What happened to the request a lease was for.
package enum LeaseOutcome: String, Sendable {
    /// The machine answered, whatever the status.
    case ok
    /// The machine broke the connection, or did not answer in time.
    case upstreamFailed
    /// Nothing listens in the machine any more, or it is gone.
    case unreachable
    /// The client left, or the lease was dropped.
    case aborted
}

/// What a driver reports about a machine it was told to start.
///
/// An event for a generation that the pool has already let go is ignored, so a driver may report late.
package enum MachineEvent: Sendable, Hashable {
    /// The app answers: the start that was asked for is over.
    case ready(MachineRef)
    case paused(MachineRef)
    /// The machine runs again and its clock is right.
    case resumed(MachineRef)
    /// The machine is of no more use; the pool answers with `stop`, and `gone` must follow.
    case failed(MachineRef, reason: String)
    /// Everything the machine held is free. Ends the machine in whatever state it was.
    case gone(MachineRef, reason: String? = nil)
}
