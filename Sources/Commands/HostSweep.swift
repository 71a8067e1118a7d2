import HostNetwork
import Images
import LinuxHost
import Machines
import Snapshots

/// What every command does first: removes what dead processes of this state directory left on the host and on disk.
enum HostSweep {
    static func run(_ machines: MachineSweep, _ images: ImageStore, _ state: StateDirectory) async throws {
        try await machines.run()
        let tag = machines.tag
        try await BlockingPool.run { () throws in
            try NetworkSweep.run(tag: tag)
            try images.sweep()
            try SnapshotStore(state).sweep()
            for folder in [state.initramfs, state.binaries, state.kernels, UplinkFiles().folder] {
                try Leftovers.remove(in: folder)
            }
        }
    }

    /// After the machines of a command are gone: takes away what their slots needed of the host's network.
    static func network(_ state: StateDirectory) async {
        _ = await sweepNetwork(NetworkTag(state))
    }

    /// The same at the end of a gateway, whose threads let go of the last slots within milliseconds.
    static func networkOfGateway(_ state: StateDirectory) async {
        for _ in 0..<20 {
            if await sweepNetwork(NetworkTag(state)) { return }
            try? await Task.sleep(for: .milliseconds(25))  // cancelled: looks again at once
        }
    }

    /// Whether nothing is left, or nothing can be done: what cannot be removed now is removed by the next command.
    private static func sweepNetwork(_ tag: NetworkTag) async -> Bool {
        let links = try? await BlockingPool.run { () throws(HostNetworkError) in
            try NetworkSweep.run(tag: tag)
            return try NetworkSweep.links(of: tag)
        }
        return links?.isEmpty ?? true
    }
}
