import Gateway
import HostNetwork
import LinuxHost
import MachinePool
import Machines
import VMM

/// The gateway's way to a machine: a socket that was made inside the machine's own network namespace.
struct MachineConnector: UpstreamConnector {
    let driver: PoolDriver

    func takeConnection(to machine: MachineRef) -> Int32? { driver.machine(machine)?.takeConnection() }

    func connect(to machine: MachineRef, timeout: Duration) async throws(UpstreamError) -> Int32 {
        guard let found = driver.machine(machine), let port = driver.record(machine)?.appPort else { throw .notRunning }
        let (slot, driver) = (found.slot, driver)
        let deadline = ContinuousClock.now + timeout
        return try await BlockingPool.run { () throws(UpstreamError) in
            while true {
                do throws(HostNetworkError) {
                    return try slot.connect(port: port, deadline: min(deadline, .now + Self.patience)).release()
                } catch {
                    // A machine that has died says nothing: its request goes to another without waiting for the deadline.
                    guard driver.machine(machine) != nil else { throw UpstreamError.notRunning }
                    if case .refused = error { throw UpstreamError.refused }
                    guard case .unanswered = error else { throw UpstreamError.unreachable(error.description) }
                    if ContinuousClock.now >= deadline { throw UpstreamError.timedOut }
                }
            }
        }
    }

    /// As long as TCP waits before it asks again.
    private static let patience = Duration.seconds(1)

    func describe(_ machine: MachineRef) -> UpstreamDescription {
        let record = driver.record(machine)
        return UpstreamDescription(id: record?.id.text ?? machine.description, address: record?.address)
    }
}
