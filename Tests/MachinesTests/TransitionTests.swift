import LinuxHost
import Machines
import Testing
import VMM

@Suite struct TransitionTests {
    static let name = MachineName("web-1")

    @Test(arguments: [
        (MachineOperation.pause, MachineRecord.State.paused), (.pause, .stopped), (.pause, .starting),
        (.resume, .running), (.resume, .stopped), (.resume, .starting), (.stop, .stopped), (.stop, .starting),
        (.delete, .running), (.delete, .paused), (.delete, .starting),
    ])
    func `an illegal transition is refused by name`(_ operation: MachineOperation, _ state: MachineRecord.State) throws
    {
        let name = try #require(Self.name)
        let refusal = try #require(operation.refusal(for: name, in: state))
        #expect(refusal.description.contains("cannot \(operation.rawValue) web-1: it is \(state.rawValue)"))
    }

    @Test(arguments: [
        (MachineOperation.pause, MachineRecord.State.running), (.resume, .paused), (.stop, .running), (.stop, .paused),
        (.delete, .stopped),
    ])
    func `a legal transition is allowed`(_ operation: MachineOperation, _ state: MachineRecord.State) throws {
        let name = try #require(Self.name)
        #expect(operation.refusal(for: name, in: state) == nil)
    }

    @Test func `force deletes what runs but not what is starting`() throws {
        let name = try #require(Self.name)
        #expect(MachineOperation.delete.refusal(for: name, in: .running, force: true) == nil)
        #expect(MachineOperation.delete.refusal(for: name, in: .starting, force: true) != nil)
    }

    private func record(_ state: MachineRecord.State, owner: MachineRecord.Owner = .user) throws -> MachineRecord {
        var record = MachineRecord(
            id: MachineID(), name: try #require(Self.name), owner: owner, starter: .current, bootID: "boot",
            createdAt: 0,
            spec: MachineSpec(
                imageName: "demo", imageDigest: "sha256:0", vcpus: 1, memory: .mebibytes(128), disk: nil, appPort: 3000,
                environment: [], egress: .none), vmm: .qemu, isolation: .emulated)
        record.state = state
        return record
    }

    @Test func `a start that died half-way is an orphan`() throws {
        let verdict = MachineVerdict.judge(
            try record(.starting), bootID: "boot", vmmAlive: true, starterAlive: false, gatewayAlive: false)
        #expect(verdict == .orphaned)
    }

    @Test func `a user's machine outlives the command that started it`() throws {
        let verdict = MachineVerdict.judge(
            try record(.running), bootID: "boot", vmmAlive: true, starterAlive: false, gatewayAlive: false)
        #expect(verdict == .asRecorded)
    }

    @Test func `a user's machine whose VMM is gone has ended and keeps its record`() throws {
        for (alive, boot) in [(false, "boot"), (true, "another boot")] {
            let verdict = MachineVerdict.judge(
                try record(.paused), bootID: boot, vmmAlive: alive, starterAlive: false, gatewayAlive: false)
            #expect(verdict == .ended)
        }
    }

    @Test func `a gateway's machine goes with its gateway`() throws {
        let record = try record(.running, owner: .gateway("web"))
        let orphan = MachineVerdict.judge(
            record, bootID: "boot", vmmAlive: true, starterAlive: false, gatewayAlive: false)
        #expect(orphan == .orphaned)
        let alive = MachineVerdict.judge(record, bootID: "boot", vmmAlive: true, starterAlive: true, gatewayAlive: true)
        #expect(alive == .asRecorded)
        // The same name was started again: the machines of the dead one are still orphans.
        let restarted = MachineVerdict.judge(
            record, bootID: "boot", vmmAlive: true, starterAlive: false, gatewayAlive: true)
        #expect(restarted == .orphaned)
    }

    @Test(arguments: [
        ("demo", "demo"), ("docker-archive:/srv/My_App.tar.gz", "my-app"), ("oci:/x/layout:v1", "layout"),
        ("ghcr.io/acme/web:1.2", "web"), ("/a/b/", "b"), ("___", "image"), ("web@sha256:ab", "web"),
    ])
    func `a gateway is named after its image`(_ image: String, _ name: String) {
        #expect(MachineName(afterImage: image).text == name)
    }

    @Test(arguments: ["", "-a", "a-", "A", "a_b", "../x", String(repeating: "a", count: 64)])
    func `names that could be paths or options are refused`(_ text: String) {
        #expect(MachineName(text) == nil)
    }
}
