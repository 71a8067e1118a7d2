import FoundationEssentials
import NIOConcurrencyHelpers
import Testing

@testable import MachinePool

/// Answers every call at once, as a driver may.
private final class InstantDriver: MachineDriver {
    let pool = NIOLockedValueBox<Pool?>(nil)
    let calls = NIOLockedValueBox<[String]>([])

    private func answer(_ call: String, _ event: MachineEvent) {
        calls.withLockedValue { $0.append(call) }
        pool.withLockedValue { $0 }?.report(event)
    }

    func start(_ machine: MachineRef, _ method: StartMethod) { answer("\(method) \(machine)", .ready(machine)) }
    func pause(_ machine: MachineRef) { answer("pause \(machine)", .paused(machine)) }
    func resume(_ machine: MachineRef) { answer("resume \(machine)", .resumed(machine)) }
    func stop(_ machine: MachineRef, reason: StopReason) { answer("stop \(machine) \(reason)", .gone(machine)) }
}

private func makePool(_ change: (inout PoolConfiguration) -> Void = { _ in }) -> (Pool, InstantDriver) {
    var configuration = PoolConfiguration()
    change(&configuration)
    let driver = InstantDriver()
    let pool = Pool(configuration: configuration, driver: driver)
    driver.pool.withLockedValue { $0 = pool }
    return (pool, driver)
}

/// Holds the leases it is given, as the gateway does while requests run.
private final class Holder: Sendable {
    let outcomes = NIOLockedValueBox<[String]>([])

    func take(_ result: consuming Result<Lease, PoolRejection>) {
        switch consume result {
        case .success(let lease):
            outcomes.withLockedValue { $0.append("\(lease.machine) \(lease.startKind)") }
            lease.end(.ok)
        case .failure(let rejection):
            outcomes.withLockedValue { $0.append(rejection.label) }
        }
    }
}

@Suite struct PoolTests {
    @Test func `a request gets a lease that ends exactly once`() {
        let (pool, _) = makePool()
        let holder = Holder()
        pool.acquire { holder.take($0) }
        pool.acquire { holder.take($0) }
        #expect(holder.outcomes.withLockedValue { $0 } == ["0.1 booted", "0.1 idle"])
        let requests = pool.status().requests
        #expect(requests.active == 0 && requests.succeeded == 2 && requests.total == 2)
    }

    @Test func `a dropped lease is returned as aborted`() {
        let (pool, _) = makePool()
        pool.acquire { _ in }
        let requests = pool.status().requests
        #expect(requests.active == 0 && requests.aborted == 1)
    }

    @Test func `a drain ends every machine and refuses what comes later`() async {
        let (pool, driver) = makePool { $0.min = 3 }
        let holder = Holder()
        pool.acquire { holder.take($0) }
        await pool.drain(deadline: .seconds(5))
        #expect(pool.status().instances.total == 0)
        #expect(driver.calls.withLockedValue { $0 }.filter { $0.hasPrefix("stop") }.count == 3)
        pool.acquire { holder.take($0) }
        #expect(holder.outcomes.withLockedValue { $0 }.last == "draining")
    }
}

extension Pool {
    /// Asks for a machine and takes the answer, at once or later. Returns what `cancel` takes, if there is none yet.
    @discardableResult
    func acquire(_ reply: @escaping Reply) -> Ticket? {
        switch acquire(orWait: { reply }) {
        case .granted(let lease): reply(.success(lease))
        case .rejected(let rejection): reply(.failure(rejection))
        case .waiting(let ticket): return ticket
        }
        return nil
    }
}

@Suite struct PoolStatusTests {
    @Test func `the status is the documented JSON`() throws {
        let driver = InstantDriver()
        var configuration = PoolConfiguration()
        configuration.max = 4
        let pool = Pool(configuration: configuration, driver: driver)
        driver.pool.withLockedValue { $0 = pool }
        pool.acquire { _ in }
        let machine = MachineRef(slot: 0, generation: 1)
        pool.describe(machine, as: MachineDescription(id: "vm-1", address: "10.0.0.2"))
        var status = pool.status()
        #expect(status.machines.map(\.id) == ["vm-1"] && status.machines.first?.ip == "10.0.0.2")
        #expect(status.machines.first?.state == .idle)
        status.starts.cold.averageMilliseconds = 0
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let json = String(decoding: try encoder.encode(status), as: UTF8.self)
        let expected = """
            {"config":{"concurrency":1,"idle_timeout":30,"max":4,"min":1,"policy":"reactive","queue_size":1000,\
            "queue_timeout":30,"scale_down":300},"draining":false,"failing":false,"instances":{"booting":0,"busy":0,\
            "draining":0,"failed":0,"idle":1,"paused":0,"pausing":0,"restoring":0,"resuming":0,"stopping":0,"total":1},\
            "invariant_violations":0,\
            "requests":{"aborted":1,"active":0,"failed":0,"queued":0,"rejected":0,"succeeded":0,"total":1},\
            "restores":false,\
            "starts":{"cold":{"avg_ms":0,"count":1},"snapshot":{"avg_ms":0,"count":0},"warm":{"avg_ms":0,"count":0}}}
            """
        #expect(json == expected)
    }

    @Test func `notices tell what happened in order`() async {
        let (pool, _) = makePool()
        let stream = pool.events()
        pool.acquire { _ in }
        await pool.drain(deadline: .seconds(1))
        var states: [String] = []
        for await notice in stream {
            if notice.kind == .drained { break }
            if let state = notice.state { states.append(state) }
        }
        #expect(states == ["booting", "idle", "stopping", "gone"])
    }

    @Test func `the timer ends a waiter without any other event`() async {
        let driver = SilentDriver()
        var configuration = PoolConfiguration()
        configuration.queueTimeout = .milliseconds(20)
        let pool = Pool(configuration: configuration, driver: driver)
        await withTaskGroup { group in
            group.addTask { await pool.run() }
            let label = await withCheckedContinuation { continuation in
                _ = pool.acquire { result in
                    switch consume result {
                    case .success: continuation.resume(returning: "granted")
                    case .failure(let rejection): continuation.resume(returning: rejection.label)
                    }
                }
            }
            #expect(label == "queue_timeout")
            group.cancelAll()
        }
    }

    @Test func `threads that acquire, cancel and return at once lose nothing`() async {
        let (pool, _) = makePool {
            $0.max = 4; $0.queueSize = 50
        }
        await withTaskGroup { group in
            for worker in 0..<8 {
                group.addTask {
                    for turn in 0..<500 {
                        let ticket = pool.acquire { result in
                            if case .success(let lease) = consume result { lease.end(.ok) }
                        }
                        if let ticket, (worker + turn).isMultiple(of: 3) { pool.cancel(ticket) }
                    }
                }
            }
        }
        let requests = pool.status().requests
        #expect(requests.total == 4000 && requests.active == 0 && requests.queued == 0)
        #expect(requests.succeeded + requests.rejected + requests.aborted == 4000)
        #expect(pool.core.withLockedValue { $0.state.violations() }.isEmpty)
        #expect(pool.core.withLockedValue { $0.replies.isEmpty })
    }
}

/// Never answers.
private struct SilentDriver: MachineDriver {
    func start(_ machine: MachineRef, _ method: StartMethod) {}
    func pause(_ machine: MachineRef) {}
    func resume(_ machine: MachineRef) {}
    func stop(_ machine: MachineRef, reason: StopReason) {}
}
