/// One thing that happened in the pool, for `/api/events`, the terminal and the log.
package struct PoolNotice: Sendable, Codable, Equatable {
    package enum Kind: String, Sendable, Codable {
        case machine, rejected, circuitOpen = "circuit_open", circuitClosed = "circuit_closed", drained
        /// A rule of the pool is broken: a mistake in fcctl. Once in a run, with the first one.
        case violation
    }

    package var kind: Kind
    /// The machine's id, or its slot and generation while it has no other.
    package var instance: String?
    /// The state a machine is in now; `gone` when it is no more.
    package var state: String?
    /// A reason, for failures, stops and refusals.
    package var detail: String?
    /// How long a start, resume or restore took, in milliseconds.
    package var duration: Double?

    package init(
        kind: Kind, instance: String? = nil, state: String? = nil, detail: String? = nil, duration: Double? = nil
    ) {
        self.kind = kind
        self.instance = instance
        self.state = state
        self.detail = detail
        self.duration = duration
    }

    private enum CodingKeys: String, CodingKey {
        case kind, instance, state, detail
        case duration = "duration_ms"
    }
}
