import Glibc
import GuestBoot
import HostNetwork
import Images
import LinuxHost
import Logging
import Machines
import NIOPosix
import QEMU
import Snapshots
import SystemPackage
import TestSupport
import VMM

@testable import Firecracker

/// One installation of its own with the built-in image, from which templates and clones are made.
struct CloneBench: Sendable {
    let state: StateDirectory
    let starter: MachineStarter
    let store: SnapshotStore
    let request: MachineStarter.Request
    let tag: NetworkTag

    static var hasProbe: Bool { Files.exists(probe) }
    static var probe: FilePath { Host.repository.appending("Tests/Guests/probe/out/probe.elf") }

    /// With `room` its files are on a file system of that size.
    static func with(
        _ kind: VMMKind, memory: MemorySize = .mebibytes(128), disk: MemorySize? = nil, room: MemorySize? = nil,
        _ body: (CloneBench) async throws -> Void
    ) async throws {
        let tag = String(UInt32.random(in: .min ... .max), radix: 16)
        let folder = FilePath("/tmp/fcctl-clone-\(tag)")
        if let room {
            try Files.makeDirectory(folder)
            guard mount("tmpfs", folder.string, "tmpfs", 0, "size=\(room.bytes)") == 0 else {
                throw HostError("mount", folder.string, Errno(rawValue: errno))
            }
        }
        let bench = try CloneBench(kind, StateDirectory(folder), memory: memory, disk: disk)
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body(bench)) } catch { outcome = .failure(error) }
        for record in try bench.starter.records.all() {
            await MachineSweep(records: bench.starter.records, monitors: [bench.starter.monitor], tag: bench.tag)
                .remove(record)
        }
        if room != nil { umount2(folder.string, Int32(MNT_DETACH)) }
        try Files.removeTree(folder)
        try outcome.get()
    }

    private init(_ kind: VMMKind, _ state: StateDirectory, memory: MemorySize, disk: MemorySize?) throws {
        try state.prepare()
        self.state = state
        tag = NetworkTag(state)
        let hierarchies = try CgroupHierarchies.detect()
        let logger = Logger(label: "test")
        let monitor: any VMMonitor
        let kernel: GuestKernel
        switch kind {
        case .qemu:
            guard let found = Host.guestKernel, let qemu else {
                throw HostError("find", "qemu", .noSuchFileOrDirectory)
            }
            monitor = QEMUMonitor(binary: qemu, kvm: .none(reason: "test"), hierarchies: hierarchies, logger: logger)
            kernel = found
        case .firecracker:
            guard let firecracker else { throw HostError("find", "firecracker", .noSuchFileOrDirectory) }
            monitor = try FirecrackerMonitor(
                binaries: firecracker, jailBase: state.jails, kvm: .detect(), hierarchies: hierarchies, logger: logger)
            kernel = try GuestKernel.locate(explicit: Self.probe, environment: [:], state: state) { print($0) }
        }
        starter = MachineStarter(
            records: MachineRecords(state), monitor: monitor, kernel: kernel,
            group: MultiThreadedEventLoopGroup.singleton, tag: tag)
        store = SnapshotStore(state)
        let image = try ImageStore(state, demoApp: GuestAssets.demoApp, environment: [:]).resolve(.demo)
        request = MachineStarter.Request(
            spec: MachineSpec(
                imageName: "demo", imageDigest: image.digest, vcpus: 1, memory: memory, disk: disk,
                appPort: image.configuration.singlePort ?? 3000, environment: [], egress: .none),
            image: image, name: nil, owner: .user, slot: try Slot.make(SlotNumber(0)), timeout: .seconds(60),
            phases: StartPhases())
    }

    var port: UInt16 { request.spec.appPort ?? 0 }

    /// `first` runs before each of its machines is asked for, `change` makes it a template of another kind of machine.
    func capture(
        hooks: SnapshotHooks = SnapshotHooks(), _ change: (inout MachineSpec) -> Void = { _ in },
        first: (@Sendable () throws(HostError) -> Void)? = nil
    ) -> TemplateCapture {
        var spec = request.spec
        change(&spec)
        return TemplateCapture(
            starter: starter, store: store, spec: spec, image: request.image, hooks: hooks
        ) { [spec] () throws(MachineError) in
            do throws(HostError) { try first?() } catch { throw .host(error) }
            var request = try await machine()
            request.spec = spec
            return request
        }
    }

    /// A request for one more machine.
    func machine() async throws(MachineError) -> MachineStarter.Request {
        var request = request
        request.slot = try await Self.slot()
        return request
    }

    static func slot() async throws(MachineError) -> Slot {
        try await BlockingPool.run { () throws(MachineError) in
            do throws(HostNetworkError) { return try Slot.make(SlotNumber(0)) } catch {
                throw MachineError.network(error.description)
            }
        }
    }

    func prepare(_ snapshot: Snapshot) async throws -> PreparedClone {
        try await starter.prepare(try await machine(), from: snapshot)
    }

    /// The body of an answer, read on a connection of its own.
    func text(_ path: String, of machine: Machine) throws -> String {
        let socket = try machine.slot.connect(port: port, deadline: .now + .seconds(10))
        let request = Array("GET \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".utf8)
        _ = request.withUnsafeBytes { send(socket.rawValue, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            var entry = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 10_000) > 0 else { throw HostError("read", path, .timedOut) }
            let count = chunk.withUnsafeMutableBytes { read(socket.rawValue, $0.baseAddress, $0.count) }
            if count <= 0 { break }
            answer += chunk[..<count]
        }
        return String(decoding: answer, as: UTF8.self).split(separator: "\r\n\r\n").last.map(String.init) ?? ""
    }

    /// Hashes of the snapshot's files, to see that nobody changed them.
    func hashes(_ snapshot: Snapshot) throws -> [String] {
        [try SHA256.hash(file: snapshot.files.memory), try SHA256.hash(file: snapshot.files.state)]
    }
}
