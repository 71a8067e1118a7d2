import GuestBoot
package import HostNetwork
import LinuxHost
package import VMM

/// One microVM that this process started or took over: its VMM, its slot and the connection to its agent.
///
/// The steps of one machine do not overlap; each re-checks nothing after an `await` because only the owner calls them:
/// the pool's driver one after the other, or one command.
package final class Machine: Sendable {
    package let id: MachineID
    package let slot: Slot
    package let vm: any VirtualMachine
    package let agent: AgentConnection
    let records: MachineRecords
    private let appPort: UInt16?
    private let slotReturn: SlotReturn?
    private let first: FirstConnection

    init(
        _ record: MachineRecord, slot: Slot, vm: any VirtualMachine, agent: AgentConnection, records: MachineRecords,
        first: FirstConnection = FirstConnection(), slotReturn: SlotReturn? = nil
    ) {
        id = record.id
        appPort = record.appPort
        self.slot = slot
        self.vm = vm
        self.agent = agent
        self.records = records
        self.first = first
        self.slotReturn = slotReturn
    }

    /// A connection to the app that was made as the machine came up; nil once it is taken. The caller closes it.
    package func takeConnection() -> Int32? { first.take() }

    /// Between the end of the connections to a guest and its pause: what it still has to do about them would be in the
    /// way of the request that it is resumed for.
    package func settle() async {
        first.drop()
        await BlockingPool.run { self.slot.prepareSockets(2) }
        // Cancelled, it is only early.
        try? await Task.sleep(for: .milliseconds(10))
    }

    package func pause() async throws(MachineError) {
        first.drop()
        do { try await vm.pause() } catch { throw .vmm(error) }
    }

    /// Continues the guest; when this returns its clock is right. `forRequest`: there is a connection to the app, too.
    package func resume(forRequest: Bool = false) async throws(MachineError) {
        if let resumed = vm.beginResume() {
            let connecting = forRequest ? beginConnecting() : nil
            return try await BlockingPool.runPromptly { () throws(MachineError) in
                try self.finish(resumed, connecting)
            }
        }
        do { try await vm.resume() } catch { throw .vmm(error) }
        let clock = correctClock()
        if forRequest { await BlockingPool.runPromptly { self.finish(self.beginConnecting()) } }
        try await clock?.answer()
    }

    /// Begins a resume for a request and says on another thread how it went. False where that takes an event loop.
    func beginResume(_ done: @escaping @Sendable (MachineError?) -> Void) -> Bool {
        guard let resumed = vm.beginResume() else { return false }
        // Right behind the order: its first packet is there when the guest is.
        let connecting = beginConnecting()
        BlockingPool.begin {
            do throws(MachineError) {
                try self.finish(resumed, connecting)
                done(nil)
            } catch {
                done(error)
            }
        }
        return true
    }

    /// Blocks; each way to another thread would take as long as the guest's answer.
    private func finish(
        _ resumed: @Sendable () throws(VMMError) -> Void, _ connecting: Connecting?
    ) throws(MachineError) {
        do throws(VMMError) { try resumed() } catch { throw .vmm(error) }
        let clock = correctClock()
        finish(connecting)
        try clock?.answerNow()
    }

    /// Nil where the clock is right without it: the guest's answer would be a good part of the way to its first one.
    private func correctClock() -> PendingReport? {
        vm.keepsTime ? nil : agent.begin(.setClock(nanosecondsSinceEpoch: WallClock.nanoseconds()))
    }

    /// Without a connection the request makes its own, and hears what is wrong.
    private func beginConnecting() -> Connecting? {
        appPort.flatMap { try? slot.beginConnecting(port: $0, patience: Self.patience) }
    }

    private func finish(_ connecting: Connecting?) {
        if let socket = try? connecting?.finish(by: .now + Self.patience) { first.keep(socket) }
    }

    private static let patience = Duration.milliseconds(200)

    /// Writes the machine's state for other processes to read; a machine that is gone meanwhile gets no record again.
    package func note(_ state: MachineRecord.State, in record: MachineRecord) async {
        var record = record
        record.state = state
        let (final, records) = (record, records)
        // What `list` shows is not worth an error of the service.
        try? await BlockingPool.run { () throws(MachineError) in try records.update(final) }
    }

    /// Asks the app to end, gives it `grace`, then kills the VMM; frees everything and removes the record.
    package func stop(grace: Duration) async {
        if grace > .zero {
            await GracefulStop.run(agent: agent, vm: vm, grace: grace)
        }
        await destroy()
    }

    /// Kills the VMM and removes everything of the machine. Idempotent.
    package func destroy() async {
        first.drop()
        await agent.close()
        await vm.destroy()
        let (id, records, slotReturn) = (id, records, slotReturn)
        // The next start's sweep tries again what could not be removed now.
        try? await BlockingPool.run { () throws(MachineError) in
            slotReturn?()
            try records.remove(id)
        }
    }
}

extension AgentConnection {
    /// Sets the guest's wall clock to the host's.
    package func setClock() async throws(MachineError) {
        try await request(.setClock(nanosecondsSinceEpoch: WallClock.nanoseconds()))
    }

    /// `setClock` for a thread that may block.
    func setClockNow() throws(MachineError) {
        try begin(.setClock(nanosecondsSinceEpoch: WallClock.nanoseconds())).answerNow()
    }
}

/// The ladder of a polite stop: the agent's stop, the grace, and then nothing more is waited for.
enum GracefulStop {
    /// Returns when the VMM has ended or `grace` and a second for the power-off have passed.
    static func run(agent: AgentConnection, vm: any VirtualMachine, grace: Duration) async {
        let milliseconds = UInt32(clamping: Int64(grace / .milliseconds(1)))
        // A silent agent is the case that the kill after the grace is for.
        _ = try? await agent.request(.stop(graceMilliseconds: milliseconds), timeout: .seconds(2))
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await vm.waitForExit() }
            group.addTask {
                // Cancelled as soon as the VMM is gone.
                try? await Task.sleep(for: grace + .seconds(2))
            }
            await group.next()
            group.cancelAll()
        }
    }
}
