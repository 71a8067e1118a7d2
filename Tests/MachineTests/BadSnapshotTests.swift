import Glibc
import Images
import LinuxHost
import Machines
import Snapshots
import SystemPackage
import Testing
import VMM

/// What can be wrong with the files of a snapshot, and what is said about it.
enum SnapshotDamage: String, CaseIterable, CustomTestStringConvertible {
    case stateTruncated = "a truncated state"
    case memoryTruncated = "a truncated memory"
    case stateFlipped = "a flipped bit in its state"
    case memoryFlipped = "a flipped bit in its memory"
    case memorySwapped = "the memory of another template"
    case stateSwapped = "the state of another template"
    case stateMissing = "no state"
    case memoryWritable = "a memory that others may write"
    case manifestMissing = "no manifest"
    case manifestTorn = "a torn manifest"
    case monitorVersion = "another version of the VMM in its key"
    case monitorBinary = "another binary of the VMM in its key"
    case processor = "another processor in its key"
    case hostKernel = "another kernel of the host in its key"
    case guestKernel = "another kernel of the guest in its key"
    case otherFormat = "a format of another fcctl"

    var testDescription: String { rawValue }

    var reason: String {
        switch self {
        case .stateTruncated: "its file state has"
        case .memoryTruncated: "its file mem has"
        case .stateFlipped, .stateSwapped: "its file state has"
        case .memoryFlipped, .memorySwapped: "its file mem has changed"
        case .stateMissing: "its file state is missing"
        case .memoryWritable: "its file mem could be written to by others"
        case .manifestMissing: "it has no manifest"
        case .manifestTorn: "its manifest cannot be read"
        case .monitorVersion, .monitorBinary, .processor, .hostKernel, .guestKernel:
            "it was made for something else than its name says"
        case .otherFormat: "written by another fcctl"
        }
    }

    var needsAnother: Bool { self == .memorySwapped || self == .stateSwapped }

    func inflict(on snapshot: Snapshot, other: Snapshot) throws {
        let files = snapshot.files
        let manifest = files.directory.appending("manifest.json")
        switch self {
        case .stateTruncated: try rewrite(files.state) { $0.removeLast(100) }
        case .memoryTruncated: try rewrite(files.memory) { $0.removeLast(4096) }
        case .stateFlipped: try rewrite(files.state) { $0[$0.count / 2] ^= 1 }
        case .memoryFlipped: try rewrite(files.memory) { $0[$0.count / 2] ^= 1 }
        case .memorySwapped: try exchange(files.memory, other.files.memory)
        case .stateSwapped: try exchange(files.state, other.files.state)
        case .stateMissing: try Files.remove(files.state)
        case .memoryWritable: chmod(files.memory.string, 0o666)
        case .manifestMissing: try Files.remove(manifest)
        case .manifestTorn: try rewrite(manifest) { $0.removeLast($0.count / 2) }
        case .monitorVersion: try replace(#""vmmVersion" : ""#, in: manifest)
        case .monitorBinary: try replace(#""vmmBinary" : ""#, in: manifest)
        case .processor: try replace(#""cpu" : ""#, in: manifest)
        case .hostKernel: try replace(#""hostKernel" : ""#, in: manifest)
        case .guestKernel: try replace(#""kernel" : ""#, in: manifest)
        case .otherFormat: try replace(#""version" : "#, in: manifest)
        }
    }

    /// Another value after `start`: one with a 9 in front.
    private func replace(_ start: String, in manifest: FilePath) throws {
        try rewrite(manifest) { bytes in
            bytes = Array(String(decoding: bytes, as: UTF8.self).replacing(start, with: start + "9").utf8)
        }
    }

    private func rewrite(_ path: FilePath, _ change: (inout [UInt8]) -> Void) throws {
        var bytes = try Files.read(path, limit: 1 << 30)
        change(&bytes)
        try AtomicFile.write(bytes, to: path, mode: 0o444)
    }

    private func exchange(_ one: FilePath, _ other: FilePath) throws {
        let away = one.removingLastComponent().appending("away")
        try Files.rename(one, to: away)
        try Files.rename(other, to: one)
        try Files.rename(away, to: other)
    }
}

extension FirecrackerCloneTests {
    @Test(arguments: SnapshotDamage.allCases)
    func `a snapshot is found bad before anybody uses it, and quarantined, when it has`(
        _ damage: SnapshotDamage
    ) async throws {
        try await CloneBench.with(.firecracker) { bench in
            let snapshot = try await bench.capture().run()
            var other: Snapshot?
            if damage.needsAnother { other = try await bench.capture { $0.environment = ["OTHER=1"] }.run() }
            #expect(snapshot.id != other?.id)
            try damage.inflict(on: snapshot, other: other ?? snapshot)
            #expect(try await bench.capture().existing() == nil)
            let notes = try bench.store.quarantined()
            #expect(
                notes.map(\.id) == [snapshot.id] && notes.allSatisfy { $0.reason.contains(damage.reason) }, "\(notes)")
            #expect(!Files.exists(snapshot.files.directory))
            guard damage.needsAnother else { return }
            // The other one is bad as well now, and the new one has nothing to do with it.
            #expect(try await bench.capture().run().id == snapshot.id)
        }
    }

    @Test func `a snapshot whose image lost its root makes no clone, and is as good as ever once that is back`()
        async throws
    {
        try await CloneBench.with(.firecracker) { bench in
            let snapshot = try await bench.capture().run()
            let root = bench.request.image.rootfs
            let away = root.removingLastComponent().appending("away")
            try Files.rename(root, to: away)
            let error = await #expect(throws: MachineError.self) { _ = try await bench.prepare(snapshot) }
            #expect("\(error as Any)".contains(root.lastComponent?.string ?? "?"), "\(error as Any)")
            #expect(try bench.starter.records.all().isEmpty)
            try Files.rename(away, to: root)
            try await expectAnswer(bench, snapshot)
        }
    }

    private func expectAnswer(_ bench: CloneBench, _ snapshot: Snapshot) async throws {
        let machine = try await bench.prepare(snapshot).restore().machine
        #expect(try GuestRequest.send(to: machine.slot, port: bench.port).status == 200)
        await machine.destroy()
    }
}

extension EmulatedCloneTests {
    @Test(arguments: [SnapshotDamage.stateTruncated, .stateFlipped, .memoryTruncated, .memoryFlipped])
    func `a snapshot of an emulated guest is found bad before anybody uses it, and quarantined, when it has`(
        _ damage: SnapshotDamage
    ) async throws {
        try await CloneBench.with(.qemu) { bench in
            let snapshot = try await bench.capture().run()
            try damage.inflict(on: snapshot, other: snapshot)
            #expect(try await bench.capture().existing() == nil)
            let notes = try bench.store.quarantined()
            #expect(
                notes.map(\.id) == [snapshot.id] && notes.allSatisfy { $0.reason.contains(damage.reason) }, "\(notes)")
            #expect(!Files.exists(snapshot.files.directory))
        }
    }
}
