import FoundationEssentials
import NIOConcurrencyHelpers
import NIOCore

/// The state of one run: a clock that starts with it, tallies, and what clients do.
final class LoadRun: Sendable {
    private struct State {
        var tallies: [LoadPhase: LoadTally] = [:]
        var underWay = 0
        var coolDown: [PoolSample] = []
    }

    private let schedule: LoadSchedule
    private let connections: LoadConnections
    private let start = ContinuousClock.now
    private let zero = NIODeadline.now()
    private let state = NIOLockedValueBox(State())

    init(schedule: LoadSchedule, connections: LoadConnections) {
        self.schedule = schedule
        self.connections = connections
    }

    private var elapsed: Duration { ContinuousClock.now - start }

    /// One client of a closed loop: it sends when it has its answer.
    func serve(_ user: Int) async {
        while !Task.isCancelled {
            switch schedule.turn(of: user, at: elapsed) {
            case .done: return
            case .wait(let time): await pause(until: time)
            case .send(let phase):
                let answered = await exchange(phase, due: elapsed)
                // Where nothing accepts connections, asking in a tight loop finds out nothing more.
                if !answered { await pause(until: elapsed + .milliseconds(50)) }
            }
        }
    }

    /// An open loop: requests go out when they are due, and what holds them up counts.
    func sendOnTime(_ arrivals: ArrivalSchedule, limit: Int, in load: inout DiscardingTaskGroup) async {
        let gate = Gate(limit)
        for (at, phase) in arrivals {
            if at > elapsed { await pause(until: at) }
            await gate.enter()
            if Task.isCancelled { return }
            load.addTask {
                _ = await self.exchange(phase, due: at)
                gate.leave()
            }
        }
    }

    /// Asks a gateway once a second for its machines while nobody asks for anything else.
    func watchCoolDown() async {
        let (from, to) = schedule.span(of: .coolDown)
        var time = from
        while time < to, !Task.isCancelled {
            await pause(until: time)
            // Something that is no gateway has no pool to watch, which is no failure of the load.
            guard !Task.isCancelled, let reply = try? await connections.send("/api/status", keepsBody: true),
                let status = try? JSONDecoder().decode(GatewayStatus.self, from: Data(reply.body))
            else { return }
            let machines = status.instances
            let sample = PoolSample(
                time: ((time - from) / .milliseconds(100)).rounded() / 10, idle: machines.idle, busy: machines.busy,
                paused: machines.paused, total: machines.total)
            state.withLockedValue { $0.coolDown.append(sample) }
            time += min(.seconds(1), (to - from) / 4)
        }
    }

    func report(to observe: @Sendable (LoadProgress) -> Void) async {
        while !Task.isCancelled {
            let (tally, underWay) = state.withLockedValue { state in
                (state.tallies.values.reduce(into: LoadTally()) { $0.add($1) }, state.underWay)
            }
            let elapsed = elapsed
            observe(
                LoadProgress(
                    phase: schedule.phase(at: elapsed), elapsed: elapsed, end: schedule.end, underWay: underWay,
                    tally: tally))
            await pause(until: elapsed + .milliseconds(250))
        }
    }

    func result(_ target: LoadTarget, rate: Double?, interrupted: Bool) -> LoadResult {
        let elapsed = elapsed
        return state.withLockedValue { state in
            let phases = LoadPhase.allCases.map { phase in
                let (from, to) = schedule.span(of: phase)
                let clients = schedule.steps.filter { $0.phase == phase }.map(\.users).max() ?? 0
                let seconds = max(.zero, min(elapsed, to) - from) / .seconds(1)
                return LoadResult.Phase(
                    phase: phase, clients: clients, seconds: seconds, tally: state.tallies[phase] ?? LoadTally())
            }
            return LoadResult(
                target: target, maxConcurrency: schedule.maxConcurrency, rate: rate, phases: phases,
                coolDown: state.coolDown, isInterrupted: interrupted)
        }
    }

    /// False if there was no connection to be had.
    private func exchange(_ phase: LoadPhase, due: Duration) async -> Bool {
        state.withLockedValue { $0.underWay += 1 }
        defer { state.withLockedValue { $0.underWay -= 1 } }
        do throws(ExchangeFailure) {
            let reply = try await connections.send()
            let finished = Duration.nanoseconds((reply.finished - zero).nanoseconds)
            state.withLockedValue { $0.tallies[phase, default: LoadTally()].record(reply, latency: finished - due) }
            return true
        } catch {
            if Task.isCancelled { return true }
            state.withLockedValue { $0.tallies[phase, default: LoadTally()].record(error) }
            if case .connect = error { return false }
            return true
        }
    }

    private func pause(until time: Duration) async {
        // Cancelled: whoever waits looks for that itself.
        try? await Task.sleep(until: start + time, tolerance: .zero, clock: .continuous)
    }
}

/// What `/api/status` says that matters here.
private struct GatewayStatus: Decodable {
    struct Instances: Decodable {
        let idle: Int
        let busy: Int
        let paused: Int
        let total: Int
    }

    let instances: Instances
}
