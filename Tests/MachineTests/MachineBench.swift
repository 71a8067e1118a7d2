import Glibc
import GuestBoot
import LinuxHost
import SystemPackage
import TestSupport
import VMM

/// A network namespace with a TAP, a folder and a cgroup name for machines of one test; gone afterwards.
struct MachineBench: Sendable {
    let directory: FilePath
    let namespaceName: String
    let namespacePath: FilePath
    let cgroupParent: String
    let hierarchies: CgroupHierarchies

    static func with<Result>(_ body: (MachineBench) async throws -> Result) async throws -> Result {
        let tag = String(UInt32.random(in: .min ... .max), radix: 16)
        let directory = FilePath("/tmp/fcctl-machine-\(tag)")
        try Files.makeDirectory(directory)
        let bench = MachineBench(
            directory: directory, namespaceName: "fcctl-test-\(tag)",
            namespacePath: FilePath("/run/netns/fcctl-test-\(tag)"), cgroupParent: "fcctl-test-\(tag)",
            hierarchies: try CgroupHierarchies.detect())
        let outcome: Swift.Result<Result, any Error>
        do {
            try bench.ip("netns", "add", bench.namespaceName)
            for argument in [
                "tuntap add tap0 mode tap", "address add 172.16.0.1/30 dev tap0", "link set tap0 up", "link set lo up",
            ] {
                try bench.ip(["-n", bench.namespaceName] + argument.split(separator: " ").map(String.init))
            }
            outcome = .success(try await body(bench))
        } catch {
            outcome = .failure(error)
        }
        bench.tearDown()
        return try outcome.get()
    }

    private func tearDown() {
        // Clean-up of a test that may have failed half-way: what is not there is no error.
        for mount in hierarchies.mounts {
            for name in (try? Files.list(mount.appending(cgroupParent))) ?? [] {
                if let cgroup = try? Cgroup(parent: cgroupParent, id: name, hierarchies: hierarchies) {
                    try? cgroup.kill()
                    try? cgroup.remove()
                }
            }
        }
        try? ip("netns", "delete", namespaceName)
        try? Files.removeTree(directory)
    }

    func ip(_ arguments: String...) throws { try ip(arguments) }

    func ip(_ arguments: [String]) throws {
        let output = try CommandOutput.of("/usr/sbin/ip", arguments)
        if output.status != .exited(0) {
            throw HostError("run ip \(arguments.joined(separator: " ")):", output.text, .ioError)
        }
    }

    func configuration(
        id: String = "m1", kernel: FilePath, initramfs: FilePath?, commandLine: String, network: NetworkAttachment
    ) throws -> VMConfiguration {
        let folder = directory.appending(id)
        try Files.makeDirectory(folder)
        return VMConfiguration(
            id: id, directory: folder, kernel: kernel, initramfs: initramfs, commandLine: commandLine, vcpus: 1,
            memory: .mebibytes(128), rootDisk: nil, scratchDisk: nil, network: network, cgroupParent: cgroupParent,
            userID: 34_567)
    }

    /// Runs `body` with the attachment of this bench's TAP.
    func withNetwork<Result>(_ body: (NetworkAttachment) async throws -> Result) async throws -> Result {
        let namespace = try Files.open(namespacePath)
        let path = namespacePath
        let attachment = NetworkAttachment(
            namespace: namespace.rawValue, tapName: "tap0", guestMAC: "06:00:ac:10:00:02",
            openTap: { () throws(HostError) in try TestTap.open("tap0", in: path) })
        return try await body(attachment)
    }

    /// A sparse disk of 16 MiB.
    func disk(_ name: String) throws -> FilePath {
        let path = directory.appending(name)
        try AtomicFile.write([], to: path)
        truncate(path.string, 16 << 20)
        return path
    }

    func cgroup(_ id: String = "m1") throws -> Cgroup {
        try Cgroup(parent: cgroupParent, id: id, hierarchies: hierarchies)
    }
}

enum Host {
    static let isRoot = geteuid() == 0
    static let repository = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
    static var tools: FilePath { repository.appending(".build-tools") }
    /// The kernel that fcctl itself would boot; fetched on the first use, which takes its time.
    static let guestKernel: GuestKernel? = {
        let environment = getenv("FCCTL_KERNEL").map { ["FCCTL_KERNEL": String(cString: $0)] } ?? [:]
        // Tests that need a kernel are skipped with that as the reason.
        return try? GuestKernel.locate(
            explicit: nil, environment: environment, state: StateDirectory(tools.appending("state")),
            progress: { print($0) })
    }()

    /// User and system time of a process in clock ticks.
    static func cpuTicks(of pid: Int32) throws -> UInt64 {
        let text = String(decoding: try Files.read(FilePath("/proc/\(pid)/stat")), as: UTF8.self)
        let fields = text[text.index(after: text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
        return (UInt64(fields[11]) ?? 0) + (UInt64(fields[12]) ?? 0)
    }

    static func inode(_ path: FilePath) throws -> UInt {
        var status = stat()
        guard stat(path.string, &status) == 0 else {
            throw HostError("look at", path.string, Errno(rawValue: errno))
        }
        return status.st_ino
    }

    static func namespace(_ pid: Int32, _ name: String) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        readlink("/proc/\(pid)/ns/\(name)", &buffer, 255)
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A field of /proc/PROCESS/status, where PROCESS is a pid or `pid/task/thread`.
    static func status(_ pid: String, _ field: String) throws -> String? {
        let text = String(decoding: try Files.read(FilePath("/proc/\(pid)/status")), as: UTF8.self)
        for line in text.split(separator: "\n") where line.hasPrefix(field + ":") {
            return line.dropFirst(field.count + 1).trimmingPrefix { $0.isWhitespace }.description
        }
        return nil
    }
}

/// Looks until `condition` holds; false after `limit`. For states of other processes that nothing announces.
func eventually(within limit: Duration = .seconds(60), _ condition: () throws -> Bool) async rethrows -> Bool {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
        if try condition() { return true }
        try? await Task.sleep(for: .milliseconds(5))  // cancelled with the test
    }
    return try condition()
}
