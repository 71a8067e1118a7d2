import FoundationEssentials
import GuestBoot
import HostNetwork
import Images
import LinuxHost
import Machines

extension MachineControl {
    /// For commands that act on existing machines: what dead processes left is removed first, if we may.
    static func open(_ global: GlobalOptions) async throws -> MachineControl {
        let state = global.state
        let environment = ProcessInfo.processInfo.environment
        let hypervisors = try await BlockingPool.run { () throws in
            try state.prepare()
            return try Hypervisors.find(environment, state)
        }
        let tag = NetworkTag(state)
        let control = MachineControl(state: state, monitors: hypervisors.all, tag: tag, group: HostSetup.group)
        if GlobalOptions.isRoot {
            let images = ImageStore(state, demoApp: GuestAssets.demoApp, environment: environment)
            try await HostSweep.run(control.sweep, images, state)
        }
        return control
    }
}
