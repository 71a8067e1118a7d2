import HostNetwork
import Images
import LinuxHost
import Logging
import Machines
import Snapshots
import Synchronization

/// Boots one more machine of a service, in a slot that was prepared ahead.
struct MachineBoot: Sendable {
    let host: HostSetup
    let service: ServiceOptions
    let image: StoredImage
    let name: MachineName
    let spec: MachineSpec
    let slots: SlotPool
    let timeout: Duration

    func run() async throws(MachineError) -> (machine: Machine, record: MachineRecord) {
        let clock = ContinuousClock()
        let begun = clock.now
        var request = request(in: try await takeSlot())
        CrashPoint.slotMade.reach()
        request.phases.slot = (clock.now - begun) / .milliseconds(1)
        return try await host.starter.start(request)
    }

    /// The supply of clones of this service's machines.
    func clones(most: Int, _ logger: Logger) -> CloneSupply {
        CloneSupply(
            starter: host.starter, store: SnapshotStore(host.state), spec: spec, image: image, hooks: service.hooks,
            most: most, logger: logger
        ) { () throws(MachineError) in request(in: try await takeSlot()) }
    }

    private func takeSlot() async throws(MachineError) -> Slot {
        let slots = slots
        return try await BlockingPool.run { () throws(MachineError) in
            do throws(HostNetworkError) { return try slots.take() } catch {
                throw MachineError.network(error.description)
            }
        }
    }

    private func request(in slot: Slot) -> MachineStarter.Request {
        var request = MachineStarter.Request(
            spec: spec, image: image, name: nil, owner: .gateway(name.text), slot: slot, timeout: timeout,
            phases: StartPhases())
        request.slotReturn = SlotReturn { [slots] in slots.giveBack(slot) }
        return request
    }

    /// Keeps slots ready, off every start's way, and their way out intact: a flushed firewall or another uplink is put
    /// right within seconds, and a console that floods the disk is cut. Ends when cancelled.
    func refillSlots() async {
        while !Task.isCancelled {
            let (slots, uplink, records) = (slots, host.uplink, host.starter.records)
            // The next start makes its own slot and reports the error to somebody who waits for it.
            try? await BlockingPool.run { () throws(HostNetworkError) in
                try slots.refill()
                try uplink?.refresh()
            }
            // What cannot be cut now is cut in two seconds.
            try? await BlockingPool.run { () throws(MachineError) in try records.cutConsoles() }
            try? await Task.sleep(for: .seconds(2))  // cancelled: the loop ends
        }
    }
}
