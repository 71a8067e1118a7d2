import Firecracker
import FoundationEssentials
import GuestBoot
import HostNetwork
import Images
import LinuxHost
import Logging
import Machines
import NIOPosix
import QEMU
import SystemPackage
import VMM

/// Everything a command needs to start machines on this host, found, checked and swept once.
struct HostSetup: Sendable {
    let global: GlobalOptions
    let state: StateDirectory
    let images: ImageStore
    let hypervisor: Hypervisor
    let starter: MachineStarter
    let uplink: Uplink?
    /// What of this host keeps guests from the internet, a sentence each.
    let obstacles: [String]

    static let group = MultiThreadedEventLoopGroup.singleton

    /// Prepares the state directory, removes what dead processes left, chooses the VMM and finds a guest kernel.
    static func open(_ global: GlobalOptions, _ machine: MachineOptions) async throws -> HostSetup {
        let environment = ProcessInfo.processInfo.environment
        let state = global.state
        let tag = NetworkTag(state)
        let hypervisors = try await BlockingPool.run { () throws in
            try state.prepare()
            return try Hypervisors.find(environment, state)
        }
        let records = MachineRecords(state)
        let images = ImageStore(state, demoApp: GuestAssets.demoApp, environment: environment)
        try await HostSweep.run(MachineSweep(records: records, monitors: hypervisors.all, tag: tag), images, state)
        let progress = ProgressLine(quiet: global.quiet)
        let hypervisor = try await BlockingPool.run { () throws in
            try hypervisors.fetchingFirecracker(for: machine.vmm, environment, state) { progress.show($0) }
                .choose(machine.vmm)
        }
        let kernel = try await BlockingPool.run { () throws in
            defer { progress.end() }
            let kernel = try GuestKernel.locate(
                explicit: machine.kernel.map { FilePath($0) }, environment: environment, state: state
            ) { progress.show($0) }
            if hypervisor.monitor.kind == .qemu { try kernel.requirePVHEntry() }
            return kernel
        }
        let uplink = machine.egress == .internet ? Uplink(tag: tag) : nil
        let obstacles = try await BlockingPool.run { () throws(HostNetworkError) in try uplink?.obstacles() ?? [] }
        return HostSetup(
            global: global, state: state, images: images, hypervisor: hypervisor,
            starter: MachineStarter(
                records: records, monitor: hypervisor.monitor, kernel: kernel, group: group, tag: tag),
            uplink: uplink, obstacles: obstacles.map(\.description))
    }

    /// What runs and how strong its isolation is, in a line or two.
    var banner: String { ([hypervisor.banner] + obstacles.map { "fcctl: \($0)" }).joined(separator: "\n") }

    func resolve(_ text: String) async throws -> StoredImage {
        let images = images
        let progress = ProgressLine(quiet: global.quiet)
        return try await BlockingPool.run { () throws in
            defer { progress.end() }
            let image = try images.resolve(try ImageSource(parsing: text)) { step in
                progress.show(ImageWords.describe(step, text))
                if case .finishing = step { CrashPoint.imageBuilding.reach() }
            }
            CrashPoint.imageFound.reach()
            return image
        }
    }

    /// A slot of its own for one machine that outlives this command.
    func makeSlot() async throws -> Slot {
        let uplink = uplink
        return try await BlockingPool.run { () throws(HostNetworkError) in
            let slot = try Slot.make(SlotNumber(0), uplink: uplink, reachable: true)
            CrashPoint.slotMade.reach()
            return slot
        }
    }
}
