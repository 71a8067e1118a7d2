import Glibc
import GuestBoot
import HostNetwork
import LinuxHost
import Machines
import Snapshots
import SystemPackage
import TestSupport
import Testing
import VMM

@testable import Firecracker

@Suite(
    .enabled(if: Host.isRoot, "needs root for network namespaces"),
    .enabled(if: qemu != nil, "needs qemu-system-x86_64"),
    .enabled(if: Host.guestKernel != nil, "needs a guest kernel: FCCTL_KERNEL, the net or apt"))
struct EmulatedCloneTests {
    @Test func `a clone of a template answers much sooner than a boot`() async throws {
        try await CloneBench.with(.qemu) { bench in
            let begun = ContinuousClock.now
            let booted = try await bench.starter.start(try await bench.machine()).machine
            _ = try GuestRequest.send(to: booted.slot, port: bench.port)
            let cold = ContinuousClock.now - begun
            await booted.destroy()
            let warm = try await expectClone(bench)
            print("qemu: cold \(cold), clone \(warm)")
            #expect(warm < cold / 8)
        }
    }

    @Test func `a Linux guest's agent hears what the first packet of a connection says`() async throws {
        try await CloneBench.with(.qemu) { bench in
            let machine = try await bench.starter.start(try await bench.machine()).machine
            let connecting = try machine.slot.beginConnecting(port: AgentProtocol.port, patience: .seconds(5)) {
                AgentRequest.hello(version: AgentProtocol.version).frame(id: 1).encoded
            }
            let socket = try connecting.finish(by: .now + .seconds(5))
            var information = tcp_info()
            var size = socklen_t(MemoryLayout<tcp_info>.size)
            #expect(getsockopt(socket.rawValue, Int32(IPPROTO_TCP), TCP_INFO, &information, &size) == 0)
            // TCPI_OPT_SYN_DATA: it was acknowledged with the handshake.
            #expect(information.tcpi_options & 32 != 0)
            var state = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
            #expect(poll(&state, 1, 5000) == 1)
            await machine.destroy()
        }
    }

    @Test func `a clone has its own writable disk, with what the template had on it`() async throws {
        try await CloneBench.with(.qemu, disk: .mebibytes(16)) { bench in
            let snapshot = try await bench.capture().run()
            let disk = try SHA256.hash(file: snapshot.files.scratchDisk)
            let machines = try await cloneMany(2, of: snapshot, bench)
            for machine in machines { #expect(try GuestRequest.send(to: machine.slot, port: bench.port).status == 200) }
            for machine in machines { await machine.destroy() }
            #expect(try SHA256.hash(file: snapshot.files.scratchDisk) == disk)
        }
    }

    @Test(arguments: ["state-flipped", "state-empty"])
    func `a state that QEMU does not like is an error, and the clone is gone`(_ damage: String) async throws {
        try await CloneBench.with(.qemu) { bench in try await expectRefusal(damage, bench) }
    }
}

@Suite(
    .enabled(if: Host.isRoot, "needs root for network namespaces and the jailer"),
    .enabled(if: Files.exists("/dev/kvm"), "needs /dev/kvm"),
    .enabled(if: firecracker != nil, "needs Firecracker: scripts/fetch-firecracker"),
    .enabled(if: CloneBench.hasProbe, "needs the probe guest: make -C Tests/Guests/probe"))
struct FirecrackerCloneTests {
    @Test func `a clone of a template answers, and the template stays as it was`() async throws {
        try await CloneBench.with(.firecracker) { bench in _ = try await expectClone(bench) }
    }

    @Test(arguments: ["state-flipped", "state-empty", "memory-empty"])
    func `a snapshot that Firecracker does not like is an error, and the clone is gone`(_ damage: String) async throws {
        try await CloneBench.with(.firecracker) { bench in try await expectRefusal(damage, bench) }
    }

    @Test func `an app that does not answer the warm-up or a hook makes no template and leaves nothing`() async throws {
        try await CloneBench.with(.firecracker) { bench in
            var hooks = SnapshotHooks()
            hooks.beforeSnapshotPath = "/no-such-hook"
            let error = await #expect(throws: MachineError.self) { _ = try await bench.capture(hooks: hooks).run() }
            #expect("\(error as Any)".contains("/no-such-hook"))
            hooks.beforeSnapshotPath = nil
            hooks.afterRestorePath = "/no-such-hook"
            let second = await #expect(throws: MachineError.self) { _ = try await bench.capture(hooks: hooks).run() }
            #expect("\(second as Any)".contains("first clone"))
            #expect(try Files.list(bench.state.snapshots) == [])
            #expect(try bench.starter.records.all().isEmpty)
            #expect(try Files.list(bench.state.jails.appending("firecracker")) == [])
            hooks.afterRestorePath = "/healthz"
            _ = try await bench.capture(hooks: hooks).run()
        }
    }

    @Test func `an idle clone holds little memory of its own beyond what its guest touched`() async throws {
        try await CloneBench.with(.firecracker) { bench in
            let snapshot = try await bench.capture().run()
            for machine in try await cloneMany(4, of: snapshot, bench) {
                #expect(try GuestRequest.send(to: machine.slot, port: bench.port).status == 200)
                try await machine.pause()
                let memory = try PrivateMemory(of: machine.vm.process.pid)
                print("a jailed clone's own memory: \(memory)")
                #expect(memory.monitor <= 4096 && memory.guest <= 2048)
                await machine.destroy()
            }
        }
    }

    @Test func `a slot goes back when its clone ends, run or not, good or bad`() async throws {
        try await CloneBench.with(.firecracker) { bench in
            let snapshot = try await bench.capture().run()
            let slots = SlotPool(target: 2, uplink: nil)
            func clone(_ snapshot: Snapshot) async throws -> PreparedClone {
                let slot = try slots.take()
                var request = bench.request
                request.slot = slot
                request.slotReturn = SlotReturn { slots.giveBack(slot) }
                return try await bench.starter.prepare(request, from: snapshot)
            }
            for _ in 0..<3 {
                try await clone(snapshot).destroy()
                let machine = try await clone(snapshot).restore(forRequest: true).machine
                await machine.destroy()
                await machine.destroy()
            }
            try AtomicFile.write([], to: snapshot.files.state, mode: 0o444)
            let bad = try await clone(snapshot)
            await #expect(throws: MachineError.self) { try await bad.restore() }
            #expect(slots.usedCount == 0)
        }
    }

    @Test func `two that want the same template make one`() async throws {
        try await CloneBench.with(.firecracker) { bench in
            async let first = bench.capture().run()
            async let second = bench.capture().run()
            let (one, other) = try await (first, second)
            #expect(one == other)
            #expect(one.manifest.createdAt == other.manifest.createdAt)
        }
    }
}

/// KiB of physical memory that one process alone holds.
struct PrivateMemory: CustomStringConvertible {
    private(set) var monitor = 0
    /// In the mapping of the snapshot's memory: what the guest has touched.
    private(set) var guest = 0

    init(of pid: Int32) throws {
        var isGuest = false
        let text = String(decoding: try Files.read(FilePath("/proc/\(pid)/smaps")), as: UTF8.self)
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.first?.last != ":" {
                isGuest = words.last?.hasSuffix("/mem") ?? false
            } else if words[0] == "Private_Clean:" || words[0] == "Private_Dirty:", let size = Int(words[1]) {
                if isGuest { guest += size } else { monitor += size }
            }
        }
    }

    var description: String { "\(monitor) KiB and the guest's \(guest) KiB" }
}

/// Captures a template and lets three clones of it answer; returns the best time from the order to the first byte.
@discardableResult
func expectClone(_ bench: CloneBench) async throws -> Duration {
    let begun = ContinuousClock.now
    let snapshot = try await bench.capture().run()
    print("template: \(ContinuousClock.now - begun), \(bench.store.allocated(snapshot.id) >> 10) KiB on disk")
    let before = try bench.hashes(snapshot)
    var best = Duration.seconds(1000)
    for _ in 0..<3 {
        let clone = try await bench.prepare(snapshot)
        let restoring = ContinuousClock.now
        let (machine, _) = try await clone.restore()
        let ready = ContinuousClock.now
        let answer = try GuestRequest.send(to: machine.slot, port: bench.port)
        #expect(answer.status == 200)
        best = min(best, answer.firstByte - restoring)
        print("clone: restore \(ready - restoring), first byte \(answer.firstByte - restoring)")
        await machine.destroy()
    }
    #expect(try bench.hashes(snapshot) == before)
    #expect(try bench.starter.records.all().isEmpty)
    // The second time it is found.
    #expect(try await bench.capture().run() == snapshot)
    return best
}

func cloneMany(_ count: Int, of snapshot: Snapshot, _ bench: CloneBench) async throws -> [Machine] {
    var clones: [PreparedClone] = []
    for _ in 0..<count { clones.append(try await bench.prepare(snapshot)) }
    // As the pool does it: no more at once than there are cores.
    return try await withThrowingTaskGroup(of: Machine.self) { group in
        var machines: [Machine] = []
        for (index, clone) in clones.enumerated() {
            if index >= HostIdentity.cores, let machine = try await group.next() { machines.append(machine) }
            group.addTask { try await clone.restore().machine }
        }
        for try await machine in group { machines.append(machine) }
        return machines
    }
}

func expectRefusal(_ damage: String, _ bench: CloneBench) async throws {
    let snapshot = try await bench.capture().run()
    func rewrite(_ path: FilePath, _ change: (inout [UInt8]) -> Void) throws {
        var bytes = try Files.read(path, limit: 1 << 30)
        change(&bytes)
        try AtomicFile.write(bytes, to: path, mode: 0o444)
    }
    switch damage {
    case "state-flipped":
        try rewrite(snapshot.files.state) { for index in stride(from: 60, to: $0.count, by: 97) { $0[index] ^= 0xff } }
    case "state-empty": try rewrite(snapshot.files.state) { $0 = [] }
    default: try rewrite(snapshot.files.memory) { $0 = [] }
    }
    let error = await #expect(throws: MachineError.self) {
        try await bench.prepare(snapshot).restore().machine.destroy()
    }
    print("\(damage): \(error as Any)")
    #expect(try bench.starter.records.all().isEmpty)
    // The whole of it is found before anybody tries, and made again.
    #expect(try await bench.capture().existing() == nil)
    #expect(try bench.store.quarantined().count == 1)
    _ = try await bench.capture().run()
}
