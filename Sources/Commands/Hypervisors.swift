import Firecracker
import LinuxHost
import Logging
import QEMU
import SystemPackage
import VMM

/// The VMMs of this host. One that is missing still sweeps: what it left behind must go without it.
struct Hypervisors: Sendable {
    let kvm: KVMCapability
    let qemu: QEMUMonitor
    let firecracker: FirecrackerMonitor
    let qemuFound: Bool
    let firecrackerFound: Bool
    /// A Firecracker that is there and does not work: only said when somebody wants it.
    let firecrackerProblem: VMMError?

    var all: [any VMMonitor] { [qemu, firecracker] }

    /// Blocks for some milliseconds: the binaries are asked for their versions.
    static func find(_ environment: [String: String], _ state: StateDirectory) throws -> Hypervisors {
        let kvm = KVMCapability.detect()
        let hierarchies = try CgroupHierarchies.detect()
        var logger = Logger(label: "vmm") { _ in LineLog() }
        logger.logLevel = .error
        let qemuBinary = try? QEMUBinary.find(environment: environment)  // its absence is said by `choose`
        var problem: VMMError?
        var binaries: FirecrackerBinaries?
        do throws(VMMError) {
            binaries = try FirecrackerBinaries.find(environment: environment, folder: state.binaries)
        } catch {
            problem = error
        }
        return Hypervisors(
            kvm: kvm,
            qemu: QEMUMonitor(
                binary: qemuBinary ?? QEMUBinary(path: "/nonexistent/qemu-system-x86_64", version: "0"), kvm: kvm,
                hierarchies: hierarchies, logger: logger),
            firecracker: try firecrackerMonitor(binaries, state, kvm, hierarchies, logger),
            qemuFound: qemuBinary != nil, firecrackerFound: binaries != nil, firecrackerProblem: problem)
    }

    private static func firecrackerMonitor(
        _ binaries: FirecrackerBinaries?, _ state: StateDirectory, _ kvm: KVMCapability,
        _ hierarchies: CgroupHierarchies, _ logger: Logger
    ) throws -> FirecrackerMonitor {
        let absent = FirecrackerBinaries(
            firecracker: "/nonexistent/firecracker", jailer: "/nonexistent/jailer", version: FirecrackerVersion(0, 0, 0)
        )
        return try FirecrackerMonitor(
            binaries: binaries ?? absent, jailBase: state.jails, kvm: kvm, hierarchies: hierarchies, logger: logger)
    }

    /// Fetches the pinned Firecracker where it is wanted and missing: asked for by name, or the best choice of this host.
    /// Without it `auto` goes on with QEMU, and what went wrong is told to `say`. Blocks for as long as the download takes.
    func fetchingFirecracker(
        for request: VMMSelection.Request, _ environment: [String: String], _ state: StateDirectory,
        say: (String) -> Void
    ) throws -> Hypervisors {
        guard !firecrackerFound, firecrackerProblem == nil else { return self }
        switch (request, kvm) {
        case (.firecracker, .hardware), (.firecracker, .emulated), (.auto, .hardware): break
        default: return self
        }
        say("fetching Firecracker \(FirecrackerRelease.pinned.version)")
        do {
            _ = try FirecrackerRelease.pinned.install(into: state.binaries, environment: environment)
            return try Hypervisors.find(environment, state)
        } catch  where request == .auto && qemuFound {
            say("\(error)")
            return self
        }
    }

    /// The VMM for new machines.
    func choose(_ request: VMMSelection.Request) throws -> Hypervisor {
        if request == .firecracker, let firecrackerProblem { throw firecrackerProblem }
        switch VMMSelection.decide(request, kvm: kvm, firecrackerFound: firecrackerFound, qemuFound: qemuFound) {
        case .use(let kind, let sentence, let warning):
            return Hypervisor(monitor: kind == .qemu ? qemu : firecracker, sentence: sentence, warning: warning)
        case .impossible(let sentence):
            throw CommandError(ExitCodes.unavailable, sentence)
        }
    }
}

/// The chosen VMM with what the user should know about it.
struct Hypervisor: Sendable {
    let monitor: any VMMonitor
    let sentence: String
    let warning: String?

    var banner: String {
        var lines = ["fcctl: \(sentence) (\(monitor.kind.rawValue) \(monitor.version))"]
        if let warning { lines.append("fcctl: \(warning)") }
        return (lines + monitor.notices.map { "fcctl: \($0)" }).joined(separator: "\n")
    }
}
