/// What a load test found.
package struct LoadResult: Sendable, Equatable {
    package struct Phase: Sendable, Equatable {
        package let phase: LoadPhase
        package let clients: Int
        package let seconds: Double
        package var tally = LoadTally()
    }

    package let target: LoadTarget
    package let maxConcurrency: Int
    /// Requests a second of the sustained phase of an open loop. Nil: each client waits for its answer.
    package let rate: Double?
    package internal(set) var phases: [Phase]
    /// The pool while nobody asked for anything, if the target is a gateway that says so.
    package internal(set) var coolDown: [PoolSample] = []
    package internal(set) var isInterrupted = false

    package var total: LoadTally {
        phases.reduce(into: LoadTally()) { $0.add($1.tally) }
    }
}

/// The machines of a gateway at a moment of the cool-down.
package struct PoolSample: Sendable, Equatable, Codable {
    /// Seconds since the cool-down began.
    package var time: Double
    package var idle: Int
    package var busy: Int
    package var paused: Int
    package var total: Int

    private enum CodingKeys: String, CodingKey {
        case idle, busy, paused, total
        case time = "at_s"
    }
}
