package import LinuxHost
package import SystemPackage

/// Which program runs the virtual machine.
package enum VMMKind: String, Sendable, Codable, CaseIterable {
    case firecracker, qemu
}

/// What stands between guest code and the host: the CPU's virtualisation, or only an emulator's correctness.
package enum Isolation: String, Sendable, Codable {
    case hardware, emulated
}

/// Where a VMM finds its end of a slot's network.
package struct NetworkAttachment: Sendable {
    /// An open network namespace, borrowed for the duration of `launch`.
    package let namespace: Int32
    package let tapName: String
    package let guestMAC: String
    /// Opens a queue of the TAP for a VMM that takes a descriptor instead of a name.
    package let openTap: @Sendable () throws(HostError) -> OwnedDescriptor

    package init(
        namespace: Int32, tapName: String, guestMAC: String,
        openTap: @escaping @Sendable () throws(HostError) -> OwnedDescriptor
    ) {
        self.namespace = namespace
        self.tapName = tapName
        self.guestMAC = guestMAC
        self.openTap = openTap
    }
}

/// All that decides one microVM as its VMM sees it.
package struct VMConfiguration: Sendable {
    /// Unique on this host; names the cgroup and the jail, so that they can be found after a crash.
    package var id: String
    /// Private folder of this machine; the VMM's socket and console log go here.
    package var directory: FilePath
    package var kernel: FilePath
    package var initramfs: FilePath?
    /// Complete and used as it is: the caller puts in the words that the monitor's machine model needs.
    package var commandLine: String
    package var vcpus: Int
    package var memory: MemorySize
    /// Read-only, shared by every machine of the image: the first disk.
    package var rootDisk: FilePath?
    /// Writable, this machine's alone: the second disk.
    package var scratchDisk: FilePath?
    package var network: NetworkAttachment
    /// Relative cgroup path, for example `fcctl/1f2e3d4c`; the machine's own is `<parent>/<id>`.
    package var cgroupParent: String
    /// Unprivileged user and group the VMM runs as.
    package var userID: UInt32
    /// Whether `capture` will be asked of the machine: its memory is kept so that it can be written out.
    package var isTemplate = false

    package init(
        id: String, directory: FilePath, kernel: FilePath, initramfs: FilePath?, commandLine: String, vcpus: Int,
        memory: MemorySize, rootDisk: FilePath?, scratchDisk: FilePath?, network: NetworkAttachment,
        cgroupParent: String, userID: UInt32
    ) {
        self.id = id
        self.directory = directory
        self.kernel = kernel
        self.initramfs = initramfs
        self.commandLine = commandLine
        self.vcpus = vcpus
        self.memory = memory
        self.rootDisk = rootDisk
        self.scratchDisk = scratchDisk
        self.network = network
        self.cgroupParent = cgroupParent
        self.userID = userID
    }
}

/// What another process needs to find a running VMM again and to be sure that it is the same one.
package struct VMProcess: Sendable, Codable, Hashable {
    package let kind: VMMKind
    package let pid: Int32
    /// Field 22 of /proc/PID/stat: a reused pid has another one.
    package let startTime: UInt64
    /// The VMM's control socket.
    package let socket: String

    package init(kind: VMMKind, pid: Int32, startTime: UInt64, socket: String) {
        self.kind = kind
        self.pid = pid
        self.startTime = startTime
        self.socket = socket
    }
}

/// A virtual machine monitor that can start microVMs and find them again.
package protocol VMMonitor: Sendable {
    var kind: VMMKind { get }
    var version: String { get }
    /// The program that runs the guests; another build of it must not load our snapshots.
    var executable: FilePath { get }
    var isolation: Isolation { get }
    /// What an operator should know before the first machine, a sentence each: an old release, limits not in force.
    var notices: [String] { get }

    /// Starts the VMM and boots the guest; returns when the VMM has accepted the boot, long before the guest is up.
    /// On an error or a cancellation nothing of the attempt is left: no process, cgroup, jail or socket.
    func launch(_ configuration: VMConfiguration) async throws(VMMError) -> any VirtualMachine

    /// Starts a VMM that waits to become a clone of `snapshot`, which nothing may change any more. Everything slow
    /// happens here: process, jail, network, disks. The configuration must be that of the template but for id, folder,
    /// slot, scratch disk and user; kernel, initramfs and command line are not used.
    /// On an error or a cancellation nothing of the attempt is left.
    func prepare(_ configuration: VMConfiguration, from snapshot: SnapshotFiles) async throws(VMMError)
        -> any PreparedMachine

    /// Takes control of a VMM that this or another process launched earlier.
    /// Throws `.gone` unless the process in `record` is alive and the same.
    func attach(to record: VMProcess, id: String, directory: FilePath, cgroupParent: String) async throws(VMMError)
        -> any VirtualMachine

    /// Kills whatever runs in the machine's cgroup and removes its cgroup, jail and socket. Idempotent; needs no record.
    func sweep(id: String, directory: FilePath, cgroupParent: String) async throws(VMMError)
}

/// One running or paused microVM.
package protocol VirtualMachine: Sendable {
    var process: VMProcess { get }

    /// Freezes the vCPUs; the guest uses no CPU time until `resume`.
    func pause() async throws(VMMError)
    func resume() async throws(VMMError)
    /// Orders the resume at once, without waiting, and returns what waits for it: for a thread that may block, which is
    /// sooner than `resume`. Nil where the VMM is spoken to on an event loop.
    func beginResume() -> (@Sendable () throws(VMMError) -> Void)?
    func isPaused() async throws(VMMError) -> Bool
    /// Whether the guest's clocks go on while it is paused, so that none is wrong after `resume`.
    var keepsTime: Bool { get }

    /// Freezes a machine that was launched as a template and writes its state and its memory, sparse and synced, into
    /// the folder of `snapshot`, which must exist on the file system of the machine's own and hold neither file. The
    /// machine stays frozen for good: the caller destroys it.
    func capture(to snapshot: SnapshotFiles) async throws(VMMError)

    /// Returns when the VMM process has ended, for whatever reason. Cancellable.
    func waitForExit() async

    /// Gives up control and leaves the VMM running, for a later `attach` by this or another process.
    /// Every call but `waitForExit` and `destroy` fails from now on.
    func detach() async

    /// Kills the VMM, waits until it is gone and removes its cgroup, jail and socket. Idempotent.
    func destroy() async
}

/// A VMM that was started ahead of need and waits to become a clone of one snapshot.
package protocol PreparedMachine: Sendable {
    var process: VMProcess { get }
    /// Whether the VMM died while it waited.
    var hasEnded: Bool { get }

    /// Loads the snapshot and lets the clone run. No process is made and no file copied, created or written. Once only.
    /// Throws `.rejected` or `.exited` when the VMM does not like the snapshot; the caller destroys it in any case.
    func restore() async throws(VMMError) -> any VirtualMachine
    /// `restore` for a thread that may block, which is sooner; nil where the VMM is spoken to on an event loop.
    var restoreNow: (@Sendable () throws(VMMError) -> any VirtualMachine)? { get }

    /// Kills the VMM and removes its cgroup, jail and socket, also of the machine it has become. Idempotent.
    func destroy() async
}

extension VirtualMachine {
    package func beginResume() -> (@Sendable () throws(VMMError) -> Void)? { nil }
    package var keepsTime: Bool { false }
}

extension PreparedMachine {
    package var restoreNow: (@Sendable () throws(VMMError) -> any VirtualMachine)? { nil }
}
