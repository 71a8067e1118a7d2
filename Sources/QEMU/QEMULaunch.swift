import Glibc
import LinuxHost
import NIOPosix
import SystemPackage
import VMM

/// The blocking part of starting one QEMU: descriptors, cgroup, process.
struct QEMULaunch: Sendable {
    let configuration: VMConfiguration
    let binary: QEMUBinary
    let accelerator: QEMUAccelerator
    let hierarchies: CgroupHierarchies
    /// The guest's memory in a file, with or without a snapshot's state to go with it; nil leaves it anonymous.
    var memory: QEMUMemory?

    /// What QEMU needs beyond the guest's memory: its own heap and libraries, and the translation buffer under TCG.
    static let overhead = MemorySize.mebibytes(128 + QEMUArguments.translationMebibytes)
    /// Main loop, RCU, one a vCPU, and up to 64 for disk I/O.
    static let threads = 80

    /// Returns a running process whose QMP socket accepts connections. When it throws, nothing is left.
    func start(pool: NIOThreadPool) throws(VMMError) -> (MonitorProcess, [CgroupShortfall]) {
        let files = MachineFiles(configuration.directory)
        do throws(HostError) {
            let cgroup = try Cgroup(
                parent: configuration.cgroupParent, id: configuration.id, hierarchies: hierarchies)
            let shortfalls = try cgroup.create(
                .init(
                    memory: MemorySize(bytes: configuration.memory.bytes + Self.overhead.bytes),
                    processes: Self.threads + configuration.vcpus))
            do throws(HostError) {
                let process = try spawn(in: cgroup, files)
                let record = VMProcess(
                    kind: .qemu, pid: process.pid, startTime: ProcessIdentity.startTime(of: process.pid) ?? 0,
                    socket: files.socket.string)
                let exit = try ProcessExit.watch(process)
                return (
                    MonitorProcess(
                        record: record, exit: exit, cgroup: cgroup, leftovers: [files.socket], pool: pool), shortfalls
                )
            } catch {
                // The first error is the one to report; what stays is found by its name in a sweep.
                try? cgroup.kill()
                try? cgroup.remove()
                try? Files.remove(files.socket)
                throw error
            }
        } catch {
            throw .host(error)
        }
    }

    private func spawn(in cgroup: Cgroup, _ files: MachineFiles) throws(HostError) -> Pidfd {
        var held: [Int32] = []
        defer { for descriptor in held { close(descriptor) } }
        var numbers = QEMUArguments.Descriptors()
        func hand(_ descriptor: consuming OwnedDescriptor) -> Int32 {
            held.append(descriptor.release())
            return numbers.next()
        }
        numbers.monitor = hand(try UnixSocket.listen(files.socket))
        numbers.console = hand(try MachineFiles.openLog(files.console))
        if memory?.isSnapshot != true {
            numbers.kernel = hand(try ReadableFile.open(configuration.kernel))
            if let initramfs = configuration.initramfs { numbers.initramfs = hand(try ReadableFile.open(initramfs)) }
        }
        numbers.tap = hand(try configuration.network.openTap())
        if let root = configuration.rootDisk { numbers.rootDisk = hand(try Files.open(root)) }
        if let scratch = configuration.scratchDisk { numbers.scratchDisk = hand(try Files.open(scratch, O_RDWR)) }
        if let memory {
            numbers.memory = hand(try memory.file.duplicate())
        }
        let log = try MachineFiles.openLog(files.log)

        var arguments = QEMUArguments(
            accelerator: accelerator, vcpus: configuration.vcpus, memory: configuration.memory,
            commandLine: configuration.commandLine, guestMAC: configuration.network.guestMAC, descriptors: numbers)
        if let memory {
            arguments.memorySource = .file(shared: !memory.isSnapshot)
            arguments.isIncoming = memory.isSnapshot
        }
        var child = ChildProcess(executable: binary.path, arguments: arguments.list)
        child.directory = "/"
        child.cgroup = cgroup
        child.networkNamespace = configuration.network.namespace
        child.descriptors = held
        child.standardOutput = log.rawValue
        child.standardError = log.rawValue
        child.openFiles = 1024
        child.fileSize = MachineFiles.sizeLimit(scratchDisk: configuration.scratchDisk)
        if geteuid() == 0 {
            child.namespaces = [.ipc, .hostname, .pid]
            let group = accelerator == .kvm ? try Self.deviceGroup() : configuration.userID
            child.credentials = .user(configuration.userID, group: group)
        }
        return try child.spawn()
    }

    /// QEMU opens /dev/kvm by itself after it has lost its privileges, so it needs the group that may.
    private static func deviceGroup() throws(HostError) -> UInt32 {
        var status = stat()
        guard stat("/dev/kvm", &status) == 0 else { throw HostError("find", "/dev/kvm", Errno(rawValue: errno)) }
        if status.st_mode & 0o060 == 0o060 || status.st_mode & 0o006 == 0o006 { return status.st_gid }
        throw HostError("use as an unprivileged group (chgrp kvm, chmod 660)", "/dev/kvm", .permissionDenied)
    }
}

/// Files that QEMU opens by name, through /proc/self/fd, after it has become another user.
enum ReadableFile {
    /// The file itself when everybody may read it, otherwise a copy in memory that everybody who holds it may.
    static func open(_ path: FilePath) throws(HostError) -> OwnedDescriptor {
        let file = try Files.open(path)
        var status = stat()
        guard fstat(file.rawValue, &status) == 0 else {
            throw HostError("look at", path.string, Errno(rawValue: errno))
        }
        if geteuid() != 0 || status.st_mode & 0o004 != 0 { return file }
        let copy = try MemoryFile.make(named: path.lastComponent?.string ?? "file")
        try MemoryFile.copy(file, to: copy, count: Int64(status.st_size), name: path.string)
        return copy
    }
}
