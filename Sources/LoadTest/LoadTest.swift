package import NIOCore

/// The load generator: five phases of clients against one URL.
package struct LoadTest: Sendable {
    private let target: LoadTarget
    private let schedule: LoadSchedule
    private let rate: Double?
    private let limit: Int
    private let connections: LoadConnections

    /// With a `rate` requests go out on time whether or not earlier ones were answered, so many a second in the sustained
    /// phase, and are measured from when they were due; without one each client sends when it has its answer. A request
    /// has failed after `timeout`. At most `limit` are under way at once in an open loop; those beyond wait, which counts.
    package init(
        target: LoadTarget, maxConcurrency: Int, duration: Duration, rate: Double? = nil,
        timeout: Duration = .seconds(60), limit: Int = 4096, group: any EventLoopGroup
    ) {
        self.target = target
        self.rate = rate
        self.limit = limit
        schedule = LoadSchedule(maxConcurrency: maxConcurrency, duration: duration)
        connections = LoadConnections(target, timeout: timeout, group: group)
    }

    /// Runs all phases. Cancelled, it breaks off what is under way and returns what it has; that is not counted.
    ///
    /// `observe` is called about four times a second with what there is so far.
    package func run(
        observe: @escaping @Sendable (LoadProgress) -> Void = { _ in }
    ) async throws(LoadTestError) -> LoadResult {
        do throws(ExchangeFailure) {
            try await connections.probe()
        } catch {
            guard case .connect(let reason) = error else { throw .unreachable(target, error.label) }
            throw .unreachable(target, reason)
        }
        let run = LoadRun(schedule: schedule, connections: connections)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await withDiscardingTaskGroup { load in
                    load.addTask { await run.watchCoolDown() }
                    if let rate {
                        await run.sendOnTime(ArrivalSchedule(schedule, rate: rate), limit: limit, in: &load)
                    } else {
                        for user in 0..<schedule.users { load.addTask { await run.serve(user) } }
                    }
                }
            }
            group.addTask { await run.report(to: observe) }
            // The load ends by itself, the report when it is told to.
            await group.next()
            group.cancelAll()
        }
        await connections.close()
        return run.result(target, rate: rate, interrupted: Task.isCancelled)
    }
}

/// A load test as it goes.
package struct LoadProgress: Sendable {
    package let phase: LoadPhase?
    package let elapsed: Duration
    package let end: Duration
    package let underWay: Int
    package let tally: LoadTally
}
