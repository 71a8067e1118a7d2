import FoundationEssentials
import NIOConcurrencyHelpers
import Testing

@testable import MachinePool

/// Answers nothing.
private struct NoDriver: MachineDriver {
    func start(_ machine: MachineRef, _ method: StartMethod) {}
    func pause(_ machine: MachineRef) {}
    func resume(_ machine: MachineRef) {}
    func stop(_ machine: MachineRef, reason: StopReason) {}
}

@Suite struct PoolWatchTests {
    @Test func `a broken rule is counted each time and told once`() async {
        let pool = Pool(configuration: PoolConfiguration(), driver: NoDriver())
        let notices = pool.events()
        pool.acquire { _ in }
        #expect(pool.status().invariantViolations == 0)
        // A request that was counted and never came.
        pool.core.withLockedValue { $0.state.totals.requests += 1 }
        pool.apply(.timerFired)
        pool.apply(.timerFired)
        #expect(pool.status().invariantViolations == 2)
        pool.core.withLockedValue { $0.state.totals.requests -= 1 }
        pool.apply(.timerFired)
        #expect(pool.status().invariantViolations == 2)
        pool.apply(.drainStarted(deadline: .zero))
        pool.apply(.timerFired)
        var told: [String] = []
        for await notice in notices {
            if notice.kind == .violation { told.append(notice.detail ?? "") }
            if notice.kind == .rejected { break }
        }
        #expect(told == ["I8: 2 accepted, 0 ended, 0 in flight, 1 queued, after timer"])
    }

    @Test func `a machine whose books are wrong is found within a second`() {
        var state = PoolState(configuration: PoolConfiguration())
        var watch = PoolWatch(concurrency: 1)
        var found: String?
        for millisecond in 1...1100 where found == nil {
            let time = PoolTime(nanoseconds: Int64(millisecond) * 1_000_000)
            let actions = state.handle(.timerFired, at: time)
            if millisecond == 100 { state.suspects = 1 }
            found = watch.check(&state, after: .timerFired, actions, at: time)
        }
        #expect(found == "I14: 1 suspects, 0 counted, after timer")
        #expect(watch.violations == 1)
    }

    @Test func `a pool that decides wrongly is caught by its own books`() {
        var state = PoolState(configuration: PoolConfiguration())
        var watch = PoolWatch(concurrency: 1)
        let stranger = PoolGrant(machine: MachineRef(slot: 3, generation: 9), startKind: .idle, queued: 0, started: 0)
        let told = watch.check(
            &state, after: .timerFired, [.grant(Ticket(number: 5), stranger)], at: PoolTime(nanoseconds: 1))
        #expect(told?.hasPrefix("I9: 5 overtakes 0") == true)
        #expect(watch.violations == 3)
    }
}

@Suite struct EventLogTests {
    private func lines(_ recorder: PoolRecorder) throws -> [PoolReplay.Line] {
        var bytes: [UInt8] = []
        recorder.take().write(to: &bytes)
        return try bytes.split(separator: 0x0a).map { try JSONDecoder().decode(PoolReplay.Line.self, from: Data($0)) }
    }

    @Test(arguments: UInt64(1)...12) func `a recorded run comes out the same again`(seed: UInt64) throws {
        let recorder = PoolRecorder()
        var world = RandomWorld(seed: seed, recorder: recorder)
        world.run(steps: 300)
        #expect(world.failures.isEmpty)
        var replay = PoolReplay(PoolReplay.Header(world.state.configuration))
        for line in try lines(recorder) where !replay.apply(line) { Issue.record("\(line) makes no sense") }
        #expect(replay.result.events > 150)
        #expect(replay.result.differences.isEmpty && replay.result.violations.isEmpty, "seed \(seed): \(replay.result)")
    }

    @Test func `another decision is found`() throws {
        let recorder = PoolRecorder()
        var world = RandomWorld(seed: 3, recorder: recorder)
        world.run(steps: 200)
        var replay = PoolReplay(PoolReplay.Header(world.state.configuration))
        for var line in try lines(recorder) {
            line.a = line.a?.map { $0.hasPrefix("grant 2 ") ? "grant 2 0.1 idle 77 0" : $0 }
            if !replay.apply(line) { Issue.record("\(line) makes no sense") }
        }
        #expect(replay.result.differences.count == 1, "\(replay.result.differences)")
    }

    @Test func `a log that could not keep up says so, and its replay ends there`() throws {
        let recorder = PoolRecorder(limit: 3)
        for number in UInt64(1)...5 { recorder.record(.requestCancelled(Ticket(number: number)), [], at: .zero) }
        #expect(recorder.totals == (3, 2))
        var written = try lines(recorder)
        #expect(written.count == 4 && written.last?.gap == 2)
        recorder.record(.timerFired, [], at: .zero)
        written += try lines(recorder)
        var replay = PoolReplay(PoolReplay.Header(PoolConfiguration()))
        for line in written where !replay.apply(line) { Issue.record("\(line) makes no sense") }
        #expect(replay.result.events == 3 && replay.result.gap == 2)
    }

    private static let machine = MachineRef(slot: 3, generation: 17)
    private static let events: [PoolEvent] = [
        .requestArrived(Ticket(number: 1), priority: false), .requestArrived(Ticket(number: 2), priority: true),
        .requestExpected, .requestCancelled(Ticket(number: 3)), .leaseEnded(machine, .upstreamFailed, held: 12),
        .machine(.ready(machine)), .machine(.paused(machine)), .machine(.resumed(machine)),
        .machine(.failed(machine, reason: "it said \"no\"\n  | and\tleft \\ \u{7} ü")),
        .machine(.gone(machine)), .machine(.gone(machine, reason: "killed by 9")), .snapshotAvailable(true),
        .snapshotAvailable(false), .memoryBudget(nil), .memoryBudget(1 << 30), .timerFired,
        .drainStarted(deadline: .seconds(30)),
    ]

    @Test func `every event is written in words and read back`() throws {
        let recorder = PoolRecorder()
        for event in Self.events { recorder.record(event, [], at: .zero) }
        for (event, line) in zip(Self.events, try lines(recorder)) {
            #expect(line.e == event.code)
            #expect(line.e.flatMap { PoolEvent(code: $0) }?.code == event.code)
        }
        for code in [
            "", "arrive", "arrive x", "end 1.2 ok", "end 1.2 fine 3", "ready 12", "ready -1.2", "drain", "dance",
        ] {
            #expect(PoolEvent(code: code)?.code == nil, "\(code)")
        }
    }
}
