/// The pool as `/api/status` and `/api/instances` show it.
package struct PoolStatus: Sendable, Codable, Equatable {
    package struct Instances: Sendable, Codable, Equatable {
        package var total = 0
        package var idle = 0
        package var busy = 0
        package var paused = 0
        package var booting = 0
        package var restoring = 0
        package var resuming = 0
        package var pausing = 0
        package var draining = 0
        package var stopping = 0
        package var failed = 0
    }

    package struct Requests: Sendable, Codable, Equatable {
        package var active = 0
        package var queued = 0
        package var total = 0
        package var succeeded = 0
        package var failed = 0
        package var rejected = 0
        package var aborted = 0
    }

    package struct Start: Sendable, Codable, Equatable {
        package var count = 0
        package var averageMilliseconds = 0.0

        private enum CodingKeys: String, CodingKey {
            case count
            case averageMilliseconds = "avg_ms"
        }
    }

    package struct Starts: Sendable, Codable, Equatable {
        package var cold = Start()
        package var warm = Start()
        package var snapshot = Start()
    }

    /// Times in seconds.
    package struct Configuration: Sendable, Codable, Equatable {
        package var min = 0
        package var max = 0
        package var concurrency = 0
        package var idleTimeout = 0.0
        package var scaleDown = 0.0
        package var queueSize = 0
        package var queueTimeout = 0.0
        package var policy = PolicyKind.reactive

        private enum CodingKeys: String, CodingKey {
            case min, max, concurrency, policy
            case idleTimeout = "idle_timeout"
            case scaleDown = "scale_down"
            case queueSize = "queue_size"
            case queueTimeout = "queue_timeout"
        }
    }

    package struct Instance: Sendable, Codable, Equatable {
        package var id = ""
        package var ip: String?
        package var state = MachineState.booting
        /// Requests it answered, and those it holds now.
        package var requests = 0
        package var active = 0
        package var start = StartKind.booted
        /// How long its boot or restore took. Nil until it is ready.
        package var bootMilliseconds: Double?
        package var slot = 0
        package var generation: UInt64 = 0

        private enum CodingKeys: String, CodingKey {
            case id, ip, state, requests, active, start, slot, generation
            case bootMilliseconds = "boot_ms"
        }
    }

    /// The limit of `--concurrency auto`.
    package struct Learned: Sendable, Codable, Equatable {
        /// Requests a machine should hold at once.
        package var limit = 0
        /// How long a request takes without a queue. Nil: not known yet.
        package var baselineMilliseconds: Double?
        /// True for the moment in which machines are given fewer to find the baseline.
        package var probing = false

        private enum CodingKeys: String, CodingKey {
            case limit, probing
            case baselineMilliseconds = "baseline_ms"
        }
    }

    /// Why a machine ended last without being told to.
    package struct Failure: Sendable, Codable, Equatable {
        /// With the app's last lines, if it said any.
        package var reason = ""
        /// Machines that ended so since the gateway started.
        package var count = 0
    }

    /// `--event-log`.
    package struct EventLog: Sendable, Codable, Equatable {
        package var recorded = 0
        /// Events that are missing in the log because it could not be written fast enough.
        package var dropped = 0

        init(_ totals: (recorded: Int, dropped: Int)) { (recorded, dropped) = totals }
    }

    package var instances = Instances()
    package var requests = Requests()
    package var starts = Starts()
    package var config = Configuration()
    package var draining = false
    /// True while machines do not stay up and requests are refused.
    package var failing = false
    /// Whether the next machine that is missing is restored from a snapshot: there is one, and a clone is prepared.
    package var restores = false
    package var lastFailure: Failure?
    package var learned: Learned?
    package var eventLog: EventLog?
    /// Broken rules of the pool: anything but 0 is a mistake in fcctl.
    package var invariantViolations = 0
    /// `/api/instances`; not part of `/api/status`.
    package var machines: [Instance] = []

    private enum CodingKeys: String, CodingKey {
        case instances, requests, starts, config, draining, failing, restores
        case lastFailure = "last_failure"
        case learned = "learned_concurrency"
        case eventLog = "event_log"
        case invariantViolations = "invariant_violations"
    }
}

extension PoolState {
    /// The state as shown to people. `describe` knows a machine's public id and address.
    package func status(describe: (MachineRef) -> MachineDescription?) -> PoolStatus {
        var status = PoolStatus()
        status.restores = mayRestore
        status.instances = PoolStatus.Instances(
            total: table.used, idle: table.count(.idle), busy: table.count(.busy), paused: table.count(.paused),
            booting: table.count(.booting), restoring: table.count(.restoring), resuming: table.count(.resuming),
            pausing: table.count(.pausing), draining: table.count(.draining), stopping: table.count(.stopping),
            failed: table.count(.failed))
        status.requests = PoolStatus.Requests(
            active: table.inflight, queued: queue.count, total: totals.requests, succeeded: totals.succeeded,
            failed: totals.failed, rejected: totals.rejected, aborted: totals.aborted)
        status.starts = PoolStatus.Starts(
            cold: start(totals.starts.booted), warm: start(totals.starts.resumed),
            snapshot: start(totals.starts.restored))
        status.config = PoolStatus.Configuration(
            min: configuration.min, max: configuration.max, concurrency: concurrency,
            idleTimeout: configuration.idleTimeout.milliseconds / 1000,
            scaleDown: configuration.scaleDown.milliseconds / 1000, queueSize: configuration.queueSize,
            queueTimeout: configuration.queueTimeout.milliseconds / 1000, policy: configuration.policy)
        status.draining = draining
        status.failing = breaker.isOpen
        if totals.deaths > 0 { status.lastFailure = PoolStatus.Failure(reason: lastFailure, count: totals.deaths) }
        status.learned = learned.map {
            PoolStatus.Learned(
                limit: $0.limit, baselineMilliseconds: $0.baseline.map { ($0 / 1000).rounded() / 1000 },
                probing: $0.probeEnds != nil)
        }
        status.machines = table.slots.indices.compactMap { instance($0, describe: describe) }
        return status
    }

    private func start(_ kind: StartTotals.Kind) -> PoolStatus.Start {
        PoolStatus.Start(count: kind.count, averageMilliseconds: (kind.meanMilliseconds * 10).rounded() / 10)
    }

    private func instance(_ slot: Int, describe: (MachineRef) -> MachineDescription?) -> PoolStatus.Instance? {
        let machine = table.slots[slot]
        guard let state = machine.state else { return nil }
        let ref = table.ref(slot)
        let description = describe(ref)
        return PoolStatus.Instance(
            id: description?.id ?? ref.description, ip: description?.address, state: state, requests: machine.served,
            active: machine.inflight, start: machine.bornKind,
            bootMilliseconds: machine.bootCost.map { Double($0) / 1_000_000 }, slot: slot,
            generation: machine.generation)
    }
}

/// What a driver tells the pool about a machine for people to see.
package struct MachineDescription: Sendable, Hashable {
    package var id: String
    package var address: String?

    package init(id: String, address: String?) {
        self.id = id
        self.address = address
    }
}
