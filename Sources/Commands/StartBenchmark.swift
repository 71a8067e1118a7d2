import HostNetwork
import Images
import LinuxHost
import Logging
import Machines
import Snapshots

/// Starts machines one after the other and measures each from the order to the first byte of a correct answer.
struct StartBenchmark: Sendable {
    let host: HostSetup
    let image: StoredImage
    let spec: MachineSpec
    let timeout: Duration
    let progress: ProgressLine

    private var port: UInt16 { spec.appPort ?? 0 }

    func run(cold: Int, warm: Int, snapshot: Int) async throws(MachineError) -> [String: BenchmarkReport.Runs] {
        var runs: [String: BenchmarkReport.Runs] = [:]
        defer { progress.end() }
        runs["cold"] = try await repeated("cold", cold) { () throws(MachineError) in try await coldStart() }
        if warm > 0 {
            let machine = try await host.starter.start(try await newMachine()).machine
            // The first answer is the app's start still.
            runs["warm"] = try await ending(machine) { () throws(MachineError) in
                _ = try await answer(of: machine, since: .now)
                return try await repeated("warm", warm) { () throws(MachineError) in
                    let begun = ContinuousClock.now
                    return StartSample(total: try await answer(of: machine, since: begun), phases: [])
                }
            }
        }
        if snapshot > 0 {
            progress.show("bench: making the template")
            let template = try await TemplateCapture(
                starter: host.starter, store: SnapshotStore(host.state), spec: spec, image: image,
                hooks: SnapshotHooks()
            ) { () throws(MachineError) in try await newMachine() }.run()
            runs["snapshot"] = try await repeated("snapshot", snapshot) { () throws(MachineError) in
                try await restore(template)
            }
            runs["standby"] = try await repeated("standby", snapshot) { () throws(MachineError) in
                try await resume(template)
            }
        }
        return runs
    }

    private func repeated(
        _ kind: String, _ count: Int, _ body: () async throws(MachineError) -> StartSample
    ) async throws(MachineError) -> BenchmarkReport.Runs? {
        var samples: [StartSample] = []
        for number in 0..<count {
            if Task.isCancelled { throw .cancelled }
            progress.show("bench: \(kind) \(number + 1) of \(count)")
            samples.append(try await body())
        }
        return BenchmarkReport.Runs(samples)
    }

    private func coldStart() async throws(MachineError) -> StartSample {
        let begun = ContinuousClock.now
        let (machine, record) = try await host.starter.start(try await newMachine())
        let ready = (ContinuousClock.now - begun) / .milliseconds(1)
        return try await ending(machine) { () throws(MachineError) in
            let total = try await answer(of: machine, since: begun)
            let phases = record.phases ?? StartPhases()
            return StartSample(
                total: total,
                phases: [
                    ("vmm", phases.vmm), ("kernel", phases.kernel), ("app", phases.app), ("answer", total - ready),
                ])
        }
    }

    private func restore(_ template: Snapshot) async throws(MachineError) -> StartSample {
        let clone = try await prepare(template)
        let begun = ContinuousClock.now
        let (machine, record) = try await clone.restore(forRequest: true)
        let ready = (ContinuousClock.now - begun) / .milliseconds(1)
        return try await ending(machine) { () throws(MachineError) in
            let total = try await answer(of: machine, since: begun)
            let phases = record.phases ?? StartPhases()
            return StartSample(
                total: total, phases: [("load", phases.vmm), ("renew", phases.app), ("answer", total - ready)])
        }
    }

    /// As a service prepares its clones.
    private func prepare(_ template: Snapshot) async throws(MachineError) -> PreparedClone {
        let clone = try await host.starter.prepare(try await newMachine(), from: template)
        if host.starter.rehearses { try await clone.rehearse(SnapshotHooks()) }
        return clone
    }

    private func resume(_ template: Snapshot) async throws(MachineError) -> StartSample {
        let machine = try await prepare(template).restore().machine
        return try await ending(machine) { () throws(MachineError) in
            _ = try await answer(of: machine, since: .now)
            await machine.settle()
            try await machine.pause()
            let begun = ContinuousClock.now
            try await machine.resume(forRequest: true)
            let ready = (ContinuousClock.now - begun) / .milliseconds(1)
            let total = try await answer(of: machine, since: begun)
            return StartSample(total: total, phases: [("resume", ready), ("answer", total - ready)])
        }
    }

    /// Milliseconds from `begun` to the first byte of an answer, which must be one of success.
    private func answer(of machine: Machine, since begun: ContinuousClock.Instant) async throws(MachineError) -> Double
    {
        let port = port
        let answer = try await BlockingPool.run { () throws(MachineError) in
            // The way the gateway takes.
            try GuestRequest.send(to: machine.slot, port: port, over: machine.takeConnection())
        }
        guard (200..<400).contains(answer.status) else {
            throw .template("the app answered \(answer.status), so there is nothing to measure")
        }
        return (answer.firstByte - begun) / .milliseconds(1)
    }

    private func ending<Result: Sendable>(
        _ machine: Machine, _ body: () async throws(MachineError) -> Result
    ) async throws(MachineError) -> Result {
        do throws(MachineError) {
            let result = try await body()
            await machine.destroy()
            return result
        } catch {
            await machine.destroy()
            throw error
        }
    }

    private func newMachine() async throws(MachineError) -> MachineStarter.Request {
        let uplink = host.uplink
        let slot = try await BlockingPool.run { () throws(MachineError) in
            do throws(HostNetworkError) { return try Slot.make(SlotNumber(0), uplink: uplink) } catch {
                throw MachineError.network(error.description)
            }
        }
        var request = MachineStarter.Request(
            spec: spec, image: image, name: nil, owner: .user, slot: slot, timeout: timeout, phases: StartPhases())
        request.isTransient = true
        return request
    }
}
