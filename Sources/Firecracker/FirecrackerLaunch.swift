import Glibc
import LinuxHost
import NIOPosix
import SystemPackage
import VMM

/// The blocking part of starting one Firecracker: files, cgroup, process, connection.
struct FirecrackerLaunch: Sendable {
    let configuration: VMConfiguration
    let binaries: FirecrackerBinaries
    /// Where jails are made; nil runs Firecracker without a jailer.
    let jailBase: FilePath?
    let hierarchies: CgroupHierarchies
    /// What the machine will be a clone of; nil boots it.
    var snapshot: SnapshotFiles?

    /// What Firecracker itself may use beyond the guest's memory.
    static let overhead = MemorySize.mebibytes(64)
    static let processes = 64
    private static let descriptors: UInt64 = 2048

    /// The names under which Firecracker finds its files.
    struct Names: Sendable, Hashable {
        var kernel: String
        var initramfs: String?
        var rootDisk: String?
        var scratchDisk: String?
    }

    var jail: Jail? {
        jailBase.map {
            Jail(
                base: $0, executableName: binaries.firecracker.lastComponent?.string ?? "firecracker",
                id: configuration.id)
        }
    }

    private var files: MachineFiles { MachineFiles(configuration.directory) }
    private var socket: FilePath { jail?.root.appending("vmm.sock") ?? files.socket }
    private var leftovers: [FilePath] { [jail?.folder ?? files.socket] }

    var names: Names {
        guard jail != nil else {
            // Relative where a snapshot holds the name, so that it is right in the folder of every clone.
            return Names(
                kernel: configuration.kernel.string, initramfs: configuration.initramfs?.string,
                rootDisk: configuration.rootDisk.map { _ in "root.ext4" },
                scratchDisk: configuration.scratchDisk.map { $0.lastComponent?.string ?? $0.string })
        }
        // Relative, so that the same names are right in every jail.
        return Names(
            kernel: "kernel", initramfs: configuration.initramfs.map { _ in "initramfs" },
            rootDisk: configuration.rootDisk.map { _ in "root.ext4" },
            scratchDisk: configuration.scratchDisk.map { _ in "scratch.ext4" })
    }

    /// Returns a process and a connection to its API, which the caller closes, or throws and leaves nothing.
    func start(
        pool: NIOThreadPool, _ report: (CgroupShortfall) -> Void
    ) throws(VMMError) -> (MonitorProcess, connection: Int32) {
        do throws(HostError) {
            // The jailer writes below this folder as root and follows the links that it finds there (CVE-2026-1386).
            if let jailBase { try TrustedFolder.verify(jailBase) }
            let cgroup = try Cgroup(
                parent: configuration.cgroupParent, id: configuration.id, hierarchies: hierarchies)
            for shortfall in try cgroup.create(
                .init(
                    memory: MemorySize(bytes: configuration.memory.bytes + Self.overhead.bytes),
                    processes: Self.processes))
            { report(shortfall) }
            // A jail that was there before is not ours to remove, and the jailer would refuse it.
            do throws(HostError) { try jail?.create() } catch {
                try? cgroup.remove()  // the first error is the one to report
                throw error
            }
            do throws(HostError) {
                let process = try spawn(in: cgroup)
                let record = VMProcess(
                    kind: .firecracker, pid: process.pid,
                    startTime: ProcessIdentity.startTime(of: process.pid) ?? 0, socket: socket.string)
                let exit = try ProcessExit.watch(process)
                let connection = try UnixSocket.connect(socket, madeBy: exit, milliseconds: 20_000)
                let host = MonitorProcess(
                    record: record, exit: exit, cgroup: cgroup, leftovers: leftovers, pool: pool)
                return (host, connection.release())
            } catch {
                // The first error is the one to report; what stays is found by its name in a sweep.
                try? cgroup.kill()
                try? cgroup.remove()
                for path in leftovers { try? Files.removeTree(path) }
                throw error
            }
        } catch {
            // It ended before it made its socket: its log tells more than the missing socket.
            if error.errno == .noSuchProcess { throw .exited(.firecracker, log: MachineFiles.tail(files.log)) }
            throw .host(error)
        }
    }

    private func spawn(in cgroup: Cgroup) throws(HostError) -> Pidfd {
        let console = try MachineFiles.openLog(files.console)
        let log = try MachineFiles.openLog(files.log)
        let firecracker = ["--api-sock", "vmm.sock", "--log-path", "vmm.log", "--level", "Warn"]
        var child: ChildProcess
        if let jail {
            try place(in: jail)
            child = ChildProcess(
                executable: binaries.jailer ?? "jailer", arguments: jailerArguments(jail) + ["--"] + firecracker)
            child.credentials = .root(keeping: Set(ChildProcess.Capability.allCases))
            child.namespaces = [.ipc, .hostname, .pid]
        } else {
            try placeUnjailed()
            child = ChildProcess(
                executable: binaries.firecracker, arguments: ["--id", configuration.id] + firecracker)
            child.directory = configuration.directory
            child.credentials = geteuid() == 0 ? .root(keeping: []) : .inherited
        }
        child.cgroup = cgroup
        child.networkNamespace = configuration.network.namespace
        child.standardOutput = console.rawValue
        child.standardError = log.rawValue
        child.openFiles = Self.descriptors
        child.fileSize = MachineFiles.sizeLimit(scratchDisk: configuration.scratchDisk)
        // A template writes its memory to a file.
        if configuration.isTemplate { child.fileSize = configuration.memory.bytes + (16 << 20) }
        return try child.spawn()
    }

    /// The process is in its network namespace, its cgroups and a pid namespace before the jailer starts, which costs
    /// less than the jailer's own ways; it is told a parent cgroup all the same, because its default one is shared with
    /// every other user of the binary.
    func jailerArguments(_ jail: Jail) -> [String] {
        [
            "--id", configuration.id, "--exec-file", binaries.firecracker.string, "--uid", "\(configuration.userID)",
            "--gid", "\(configuration.userID)", "--chroot-base-dir", jail.base.string, "--cgroup-version", "1",
            "--parent-cgroup", "\(configuration.cgroupParent)/\(configuration.id)", "--resource-limit",
            "no-file=\(Self.descriptors)",
        ]
    }

    /// The calls that boot the machine, in order.
    var bootRequests: [FirecrackerRequest] {
        let names = names
        var requests: [FirecrackerRequest] = [
            .machine(
                MachineConfiguration(
                    vcpu_count: configuration.vcpus, mem_size_mib: configuration.memory.mebibytes,
                    track_dirty_pages: configuration.isTemplate ? true : nil)),
            .bootSource(
                BootSource(
                    kernel_image_path: names.kernel, initrd_path: names.initramfs,
                    boot_args: configuration.commandLine)),
        ]
        // Firecracker would put `root=` on the command line for a root device; our initramfs mounts the root.
        if let root = names.rootDisk {
            requests.append(
                .drive(Drive(drive_id: "root", path_on_host: root, is_root_device: false, is_read_only: true)))
        }
        if let scratch = names.scratchDisk {
            requests.append(
                .drive(Drive(drive_id: "scratch", path_on_host: scratch, is_root_device: false, is_read_only: false)))
        }
        requests.append(
            .network(
                NetworkInterface(
                    iface_id: "eth0", host_dev_name: configuration.network.tapName,
                    guest_mac: configuration.network.guestMAC)))
        return requests + [.start]
    }

    /// Gives an unjailed Firecracker its files in the folder in which it runs.
    private func placeUnjailed() throws(HostError) {
        // Firecracker would say that a file is missing, but not which one.
        for file in [configuration.kernel, configuration.initramfs, configuration.rootDisk].compactMap({ $0 }) {
            _ = try Files.open(file)
        }
        try Files.remove(files.socket)
        let folder = configuration.directory
        if let root = configuration.rootDisk { try Files.link(to: root, at: folder.appending("root.ext4")) }
        guard let snapshot else { return }
        try Files.link(to: snapshot.state, at: folder.appending("state"))
        try Files.link(to: snapshot.memory, at: folder.appending("mem"))
    }

    private func place(in jail: Jail) throws(HostError) {
        let names = names
        let user = configuration.userID
        if let snapshot {
            try jail.place(snapshot.state, as: "state", reader: user)
            try jail.place(snapshot.memory, as: "mem", reader: user)
        } else {
            try jail.place(configuration.kernel, as: names.kernel, reader: user)
            if let file = configuration.initramfs, let name = names.initramfs {
                try jail.place(file, as: name, reader: user)
            }
        }
        if let file = configuration.rootDisk, let name = names.rootDisk {
            try jail.place(file, as: name, reader: user)
        }
        if let file = configuration.scratchDisk, let name = names.scratchDisk {
            try jail.hand(file, as: name, owner: user)
        }
        try jail.hand(files.log, as: "vmm.log", owner: user)
    }
}
