import GuestBoot
import HostNetwork
import LinuxHost
import NIOConcurrencyHelpers
import NIOCore
package import Snapshots
import VMM

/// A clone that lacks nothing but the order to run: its slot, its record and a VMM that waits.
package final class PreparedClone: Sendable {
    package let snapshot: Snapshot
    package let record: MachineRecord
    private let slot: Slot
    private let slotReturn: SlotReturn?
    private let vmm: any PreparedMachine
    private let starter: MachineStarter
    /// What the clone has become ahead of need, paused.
    private let asleep = NIOLockedValueBox<Started?>(nil)

    package typealias Started = (machine: Machine, record: MachineRecord)
    typealias RestoreNow = @Sendable () throws(MachineError) -> Started

    init(
        snapshot: Snapshot, record: MachineRecord, request: MachineStarter.Request, vmm: any PreparedMachine,
        starter: MachineStarter
    ) {
        self.snapshot = snapshot
        self.record = record
        slot = request.slot
        slotReturn = request.slotReturn
        self.vmm = vmm
        self.starter = starter
    }

    package var isUsable: Bool { !vmm.hasEnded }
    package var hasRehearsed: Bool { asleep.withLockedValue { $0 != nil } }

    /// Restores the clone ahead of need, tells its app, lets it answer inert requests and pauses it: for a VMM whose
    /// first execution of anything is dear. `restore` only wakes it then. Whatever fails, the clone is gone.
    package func rehearse(_ hooks: SnapshotHooks) async throws(MachineError) {
        let (machine, record) = try await restore()
        do throws(MachineError) {
            let port = record.appPort ?? 0
            try await hooks.afterRestore(slot, port: port)
            for _ in 0..<hooks.warmUps {
                try await hooks.check(slot, port: port, expected: snapshot.manifest.answer)
            }
            await machine.settle()
            try await machine.pause()
            CrashPoint.cloneRehearsed.reach()
        } catch {
            await machine.destroy()
            throw error
        }
        asleep.withLockedValue { $0 = (machine, record) }
    }

    /// Makes the clone run and unlike its siblings: when this returns it has the time, a random number generator and a
    /// host name of its own, and its app listens. `forRequest`: there is a connection to the app, too.
    /// Whatever fails, the clone is gone.
    package func restore(forRequest: Bool = false) async throws(MachineError) -> Started {
        if let started = takeAsleep() { return try await wake(started, forRequest) }
        do throws(MachineError) {
            if let restoreNow = vmm.restoreNow {
                return try await BlockingPool.runPromptly { () throws(MachineError) in
                    try self.restore(by: restoreNow, forRequest)
                }
            }
            let clock = Stopwatch()
            let vm: any VirtualMachine
            do throws(VMMError) { vm = try await vmm.restore() } catch { throw .vmm(error) }
            return try await BlockingPool.runPromptly { () throws(MachineError) in
                try self.begin(vm, clock, forRequest)
            }
        } catch {
            await destroy()
            throw error
        }
    }

    /// `restore` for a thread that may block; nil where it takes more than one thread. After an error the caller destroys
    /// the clone.
    func restoreNow(forRequest: Bool) -> RestoreNow? {
        guard !hasRehearsed, let restoreNow = vmm.restoreNow else { return nil }
        return { () throws(MachineError) in try self.restore(by: restoreNow, forRequest) }
    }

    private func restore(
        by restoreNow: () throws(VMMError) -> any VirtualMachine, _ forRequest: Bool
    ) throws(MachineError) -> Started {
        let clock = Stopwatch()
        let vm: any VirtualMachine
        do throws(VMMError) { vm = try restoreNow() } catch { throw .vmm(error) }
        return try begin(vm, clock, forRequest)
    }

    /// The guest runs; what is left is to make it unlike its siblings. Blocks.
    private func begin(
        _ vm: any VirtualMachine, _ clock: Stopwatch, _ forRequest: Bool
    ) throws(MachineError) -> Started {
        var phases = StartPhases()
        phases.vmm = clock.lap()
        CrashPoint.cloneRestored.reach()
        let first = FirstConnection()
        let (agent, distance) = try meet(connecting: forRequest ? first : nil)
        try correctClock(agent, distance)
        CrashPoint.cloneRenewed.reach()
        phases.app = clock.lap() - phases.vmm
        var record = record
        record.state = .running
        record.phases = phases
        let machine = Machine(
            record, slot: slot, vm: vm, agent: agent, records: starter.records, first: first, slotReturn: slotReturn)
        return (machine, record)
    }

    private func takeAsleep() -> Started? {
        asleep.withLockedValue { asleep in
            defer { asleep = nil }
            return asleep
        }
    }

    private func wake(_ started: Started, _ forRequest: Bool) async throws(MachineError) -> Started {
        let clock = Stopwatch()
        do throws(MachineError) {
            try await started.machine.resume(forRequest: forRequest)
            CrashPoint.cloneWoken.reach()
        } catch {
            await started.machine.destroy()
            throw error
        }
        var record = started.record
        record.phases = StartPhases()
        record.phases?.vmm = clock.lap()
        return (started.machine, record)
    }

    /// Both connections are made at once, and the handshake is held by the thread that made them: each way to another
    /// thread and back would cost as much as the guest's answer.
    private func meet(
        connecting first: FirstConnection?
    ) throws(MachineError) -> (agent: AgentConnection, distance: Duration) {
        let asked = ContinuousClock.now
        let deadline = asked + .seconds(5)
        let socket: OwnedDescriptor
        let app: Connecting?
        do throws(HostNetworkError) {
            // The order to be another machine goes with the first packet: a way to the guest and back less.
            let connecting = try slot.beginConnecting(port: AgentProtocol.port, saying: greeting)
            // An app that refuses will say so to the request.
            app = first == nil ? nil : try? slot.beginConnecting(port: record.appPort ?? 0)
            socket = try connecting.finish(by: deadline)
        } catch {
            throw .template("the clone's agent cannot be reached: \(error)")
        }
        let agent = try AgentConnection.open(greeted: socket, requests: 1, on: starter.group.any(), deadline: deadline)
        let distance = ContinuousClock.now - asked
        if let connection = try? app?.finish(by: deadline) { first?.keep(connection) }
        return (agent, distance)
    }

    /// The time is as wrong as the way to the guest was long, and under emulation the first way is.
    private func correctClock(_ agent: AgentConnection, _ distance: Duration) throws(MachineError) {
        var distance = distance
        for _ in 0..<3 where distance > .milliseconds(20) {
            let begun = ContinuousClock.now
            do throws(MachineError) { try agent.setClockNow() } catch {
                agent.beginClose()
                throw error
            }
            distance = .now - begun
        }
    }

    private var greeting: @Sendable () -> [UInt8] {
        let hostname = Array(record.name.text.utf8)
        return {
            AgentGreeting.bytes(
                .renew(
                    nanosecondsSinceEpoch: WallClock.nanoseconds(),
                    entropy: Self.entropy(), hostname: hostname))
        }
    }

    /// 32 bytes. By words: each draw is a call of the kernel.
    private static func entropy() -> [UInt8] {
        (0..<4).flatMap { _ in withUnsafeBytes(of: UInt64.random(in: .min ... .max), Array.init) }
    }

    /// Ends the VMM and removes everything of the clone.
    package func destroy() async {
        if let asleep = takeAsleep() { return await asleep.machine.destroy() }
        await vmm.destroy()
        await starter.discard(record, slotReturn)
    }
}
