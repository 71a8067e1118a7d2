import Glibc
import GuestBoot
import LinuxHost
import SystemPackage
import TestSupport
import Testing

/// A microVM under QEMU's emulation with user networking: needs no root, no KVM and no TAP.
struct EmulatedGuest {
    let pid: pid_t
    let folder: FilePath
    let agentPort: UInt16
    let appPort: UInt16

    static let missing: String? =
        ["/usr/bin/qemu-system-x86_64", "/sbin/mke2fs", "/bin/busybox"]
        .first { !Files.exists(FilePath($0)) }.map { "\($0) is missing" }
        ?? (GuestAssets.initProgram.isEmpty ? "guest/build has not run" : nil)

    /// Boots an image made of busybox and the demo app for one body. The guest and its files are gone afterwards.
    static func boot<Result>(
        _ arguments: [String], scratch: Bool = false, files: (FilePath) throws -> Void = { _ in },
        _ configure: (inout RunConfiguration) -> Void = { _ in }, _ body: (EmulatedGuest) throws -> Result
    ) throws -> Result {
        try withScratch { folder in
            let root = folder.appending("root")
            try Files.makeDirectory(root.appending("bin"), mode: 0o755)
            try Files.makeDirectory(root.appending("etc"), mode: 0o755)
            try AtomicFile.write(GuestAssets.demoApp, to: root.appending("bin/demo-app"), mode: 0o755)
            try AtomicFile.write(try Files.read("/bin/busybox"), to: root.appending("bin/busybox"), mode: 0o755)
            for name in ["sh", "id", "cat", "sleep", "httpd", "ps", "date", "mount", "hostname", "stat", "ls", "tr"] {
                symlink("busybox", root.appending("bin").appending(name).string)
            }
            chmod(root.string, 0o755)
            try files(root)
            let rootDisk = folder.appending("root.ext4")
            try run([
                "/sbin/mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", root.string, rootDisk.string, "32M",
            ])
            if scratch {
                try run(["/sbin/mke2fs", "-q", "-t", "ext4", folder.appending("scratch.ext4").string, "64M"])
            }

            var configuration = RunConfiguration(arguments: arguments.map { Array($0.utf8) })
            configuration.address = IPv4Address(10, 0, 2, 15)
            configuration.prefixLength = 24
            configuration.gateway = IPv4Address(10, 0, 2, 2)
            configuration.hostname = Array("machine-1".utf8)
            configuration.entropy = (0..<32).map { _ in UInt8.random(in: 0...255) }
            configuration.usesScratchDisk = scratch
            configure(&configuration)
            let state = StateDirectory(FilePath(#filePath).removingLastComponent().appending("../../.build/test-state"))
            let kernel = try GuestKernel.locate(explicit: nil, environment: [:], state: state) { print($0) }
            let initramfs = folder.appending("init.cpio")
            try Initramfs.write(
                base: Initramfs.base(for: kernel, state: state), runConfiguration: configuration, to: initramfs)
            let guest = try EmulatedGuest(
                folder, kernel: kernel, rootDisk: rootDisk, initramfs: initramfs, scratch: scratch)
            defer { guest.kill() }
            return try body(guest)
        }
    }

    private init(
        _ folder: FilePath, kernel: GuestKernel, rootDisk: FilePath, initramfs: FilePath, scratch: Bool
    ) throws {
        self.folder = folder
        agentPort = try freePort()
        appPort = try freePort()
        let words = KernelCommandLine.qemu(tscKilohertz: TimeStampCounter.kilohertz).joined(separator: " ")
        var arguments = [
            "/usr/bin/qemu-system-x86_64", "-M", "microvm,acpi=on,rtc=on,pit=on,pic=on,x-option-roms=off", "-accel",
            "tcg,thread=single", "-cpu", "qemu64", "-m", "128", "-smp", "1", "-nodefaults", "-no-user-config",
            "-display",
            "none", "-monitor", "none", "-no-reboot", "-kernel", kernel.image.string, "-initrd", initramfs.string,
            "-append", words, "-serial", "file:\(folder.appending("console").string)", "-drive",
            "id=d0,file=\(rootDisk.string),format=raw,if=none,readonly=on", "-device", "virtio-blk-device,drive=d0",
            "-netdev",
            "user,id=n0,hostfwd=tcp:127.0.0.1:\(agentPort)-:1,hostfwd=tcp:127.0.0.1:\(appPort)-:3000",
            "-device", "virtio-net-device,netdev=n0,mac=06:00:ac:10:00:02",
        ]
        if scratch {
            let disk = folder.appending("scratch.ext4").string
            arguments += ["-drive", "id=d1,file=\(disk),format=raw,if=none", "-device", "virtio-blk-device,drive=d1"]
        }
        pid = try spawn(arguments)
    }

    /// What the guest printed on its serial port.
    var console: [UInt8] { (try? Files.read(folder.appending("console"))) ?? [] }  // absent until QEMU opens it

    /// True when QEMU ended by itself within the time.
    func waitForEnd(seconds: Int = 20) -> Bool {
        for _ in 0..<seconds * 100 {
            var status: Int32 = 0
            if waitpid(pid, &status, WNOHANG) != 0 { return true }
            usleep(10_000)
        }
        return false
    }

    /// Connects until the agent answers its hello.
    func agent(seconds: Int = 30) throws -> AgentConnection {
        for _ in 0..<seconds * 50 {
            // User networking accepts before the guest does: only a hello counts.
            // User networking accepts before the guest does, and such a connection stays silent: only a hello counts.
            if let connection = try? AgentConnection(port: agentPort, milliseconds: 100), connection.greet() {
                connection.setPatience(milliseconds: 10_000)
                return connection
            }
            usleep(20_000)
        }
        throw HostError("reach", "the agent: \(String(decoding: console, as: UTF8.self))", .connectionRefused)
    }

    /// The whole answer to one GET.
    func get(_ path: String) throws -> String {
        let socket = try connectLoopback(appPort)
        defer { close(socket) }
        let request = Array("GET \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".utf8)
        _ = request.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = chunk.withUnsafeMutableBytes { read(socket, $0.baseAddress, $0.count) }
            if count <= 0 { return String(decoding: answer, as: UTF8.self) }
            answer += chunk[..<count]
        }
    }

    private func kill() {
        Glibc.kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }
}

func spawn(_ arguments: [String]) throws -> pid_t {
    var pid: pid_t = 0
    var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    defer { for text in argv { free(text) } }
    let result = posix_spawn(&pid, arguments[0], nil, nil, &argv, environ)
    if result != 0 { throw HostError("run", arguments[0], Errno(rawValue: result)) }
    return pid
}

func run(_ arguments: [String]) throws {
    let pid = try spawn(arguments)
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    if status != 0 { throw HostError("run", arguments.joined(separator: " "), .invalidArgument) }
}

func setPatience(_ file: Int32, milliseconds: Int) {
    var limit = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
}

func freePort() throws -> UInt16 {
    let file = OwnedDescriptor(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(file.rawValue, $0, length) == 0 ? getsockname(file.rawValue, $0, &length) : -1
        }
    }
    if result != 0 { throw HostError("bind", "a port", Errno(rawValue: errno)) }
    return UInt16(bigEndian: address.sin_port)
}

func connectLoopback(_ port: UInt16, milliseconds: Int = 5000) throws -> Int32 {
    let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
    setPatience(file, milliseconds: milliseconds)
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    if result != 0 {
        let error = Errno(rawValue: errno)
        close(file)
        throw HostError("connect to", "port \(port)", error)
    }
    return file
}
