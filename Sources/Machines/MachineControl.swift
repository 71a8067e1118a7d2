import GuestBoot
package import HostNetwork
package import LinuxHost
package import NIOCore
import SystemPackage
package import VMM

/// What commands do to machines that an earlier command started.
package struct MachineControl: Sendable {
    private let records: MachineRecords
    private let monitors: [any VMMonitor]
    private let tag: NetworkTag
    private let group: any EventLoopGroup

    package init(state: StateDirectory, monitors: [any VMMonitor], tag: NetworkTag, group: any EventLoopGroup) {
        self.records = MachineRecords(state)
        self.monitors = monitors
        self.tag = tag
        self.group = group
    }

    package var sweep: MachineSweep { MachineSweep(records: records, monitors: monitors, tag: tag) }

    package func all() async throws(MachineError) -> [MachineRecord] {
        let records = records
        return try await BlockingPool.run { () throws(MachineError) in try records.all() }
    }

    package func find(_ text: String) async throws(MachineError) -> MachineRecord {
        let records = records
        return try await BlockingPool.run { () throws(MachineError) in try records.find(text) }
    }

    package func pause(_ record: MachineRecord) async throws(MachineError) {
        try await change(.pause, record) { control, record throws(MachineError) in
            let vm = try await control.attach(record)
            do throws(VMMError) { try await vm.pause() } catch { throw .vmm(error) }
            CrashPoint.paused.reach()
            try await control.write(record, as: .paused)
        }
    }

    package func resume(_ record: MachineRecord) async throws(MachineError) {
        try await change(.resume, record) { control, record throws(MachineError) in
            let vm = try await control.attach(record)
            do throws(VMMError) { try await vm.resume() } catch { throw .vmm(error) }
            CrashPoint.resumed.reach()
            try await control.write(record, as: .running)
            let agent = try await control.agent(of: record)
            try await agent.setClock()
            await agent.close()
        }
    }

    /// The app's stop signal, `grace`, power-off; a paused machine is continued for it.
    package func stop(_ record: MachineRecord, grace: Duration) async throws(MachineError) {
        try await change(.stop, record) { control, record throws(MachineError) in
            let vm = try await control.attach(record)
            if record.state == .paused {
                do throws(VMMError) { try await vm.resume() } catch { throw .vmm(error) }
            }
            // Without its agent the guest cannot be asked: it is killed at once.
            if let agent = try? await control.agent(of: record) {
                await GracefulStop.run(agent: agent, vm: vm, grace: grace)
                await agent.close()
            }
            CrashPoint.appStopped.reach()
            await vm.destroy()
            CrashPoint.monitorEnded.reach()
            await control.sweep.end(record)
        }
    }

    package func delete(_ record: MachineRecord, force: Bool) async throws(MachineError) {
        try await change(.delete, record, force: force) { control, record in
            await control.sweep.remove(record)
        }
    }

    /// The app's output: the last `tail` bytes, then with `follow` all that comes. For a machine that has ended, what
    /// its console kept.
    package func logs(_ record: MachineRecord, tail: UInt32, follow: Bool) async throws(MachineError) -> AsyncStream<
        [UInt8]
    > {
        switch record.state {
        case .running:
            let agent = try await agent(of: record)
            return agent.logs(tail: tail, follow: follow)
        case .paused, .starting, .prepared:
            throw .illegal(operation: "read the log of", record.name, state: record.state)
        case .stopped:
            var text = ""
            if case .ended(_, let log) = LogTail.report(in: records.folder(of: record.id)) { text = log }
            return AsyncStream { feed in
                feed.yield(Array(text.utf8))
                feed.finish()
            }
        }
    }

    /// Returns when the machine's VMM has ended; at once when it is gone already. Cancellable.
    package func waitForEnd(of record: MachineRecord) async {
        // A process that cannot be found or watched is gone.
        guard let process = record.process,
            let found = try? Pidfd.find(process.pid, startTime: process.startTime),
            let exit = try? ProcessExit.watch(found)
        else { return }
        await exit.wait()
    }

    /// One change of one machine at a time, whoever asks; the record is read again once it is our turn.
    private func change(
        _ operation: MachineOperation, _ record: MachineRecord, force: Bool = false,
        _ body: (MachineControl, MachineRecord) async throws(MachineError) -> Void
    ) async throws(MachineError) {
        if case .gateway(let gateway) = record.owner { throw .ownedByGateway(record.name, gateway: gateway) }
        let records = records
        let lock = try await BlockingPool.run { () throws(MachineError) in try ChangeLock(record, records) }
        defer { withExtendedLifetime(lock) {} }
        let current = try await BlockingPool.run { () throws(MachineError) in
            guard let current = try records.read(record.id) else { throw MachineError.unknown(record.name.text) }
            return current
        }
        if let refusal = operation.refusal(for: current.name, in: current.state, force: force) { throw refusal }
        try await body(self, current)
    }

    private func attach(_ record: MachineRecord) async throws(MachineError) -> any VirtualMachine {
        guard let process = record.process, let monitor = monitors.first(where: { $0.kind == process.kind }) else {
            throw .badRecord(record.id, reason: "it names no VMM that this fcctl knows")
        }
        do {
            return try await monitor.attach(
                to: process, id: record.id.text, directory: records.folder(of: record.id),
                cgroupParent: tag.cgroupParent)
        } catch {
            throw .vmm(error)
        }
    }

    private func agent(of record: MachineRecord) async throws(MachineError) -> AgentConnection {
        guard let pid = record.process?.pid else { throw .vmm(.gone(record.vmm)) }
        let loop = group.any()
        return try await BlockingPool.run { () throws(MachineError) in
            let socket: OwnedDescriptor
            do throws(HostNetworkError) {
                let slot = try Slot.reopen(SlotNumber(0), pid: pid)
                socket = try slot.connect(port: AgentProtocol.port, deadline: .now + .seconds(3), refusal: .waits)
            } catch {
                throw MachineError.network(error.description)
            }
            return try AgentConnection.open(socket, on: loop)
        }
    }

    private func write(_ record: MachineRecord, as state: MachineRecord.State) async throws(MachineError) {
        var record = record
        record.state = state
        let (final, records) = (record, records)
        try await BlockingPool.run { () throws(MachineError) in try records.write(final) }
    }
}

/// Held while one command changes one machine; freed by the kernel if that command dies.
private final class ChangeLock: Sendable {
    private let lock: FileLock

    init(_ record: MachineRecord, _ records: MachineRecords) throws(MachineError) {
        do { lock = try FileLock(waitingFor: records.folder(of: record.id).appending("change.lock")) } catch {
            throw .host(error)
        }
    }
}
