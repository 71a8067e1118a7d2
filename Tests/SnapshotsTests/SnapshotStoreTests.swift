import Dispatch
import Glibc
import LinuxHost
import Synchronization
import SystemPackage
import TestSupport
import Testing
import VMM

@testable import Snapshots

private final class Flag: Sendable { let value = Mutex(false) }

struct SnapshotStoreTests {
    private func withStore(_ body: (SnapshotStore) throws -> Void) throws {
        try withScratch { folder in
            let state = StateDirectory(folder.appending("state"))
            try state.prepare()
            try body(SnapshotStore(state))
        }
    }

    private func key(_ change: (inout SnapshotKey) -> Void = { _ in }) -> SnapshotKey {
        var key = SnapshotKey(
            imageDigest: "sha256:1", root: "r.ext4", vcpus: 1, memory: .mebibytes(64), disk: nil, appPort: 80,
            environment: ["A=secret"], egress: "none", kernel: "k", initramfs: "i", vmm: "qemu", vmmVersion: "7.2",
            vmmBinary: "b", accelerator: "emulated", cpu: "c", hostKernel: "6.18")
        change(&key)
        return key
    }

    @discardableResult
    private func publish(_ store: SnapshotStore, _ key: SnapshotKey) throws -> Snapshot {
        let draft = try #require(try store.draft(key))
        try AtomicFile.write([UInt8](repeating: 7, count: 8192), to: draft.files.memory, mode: 0o444)
        try AtomicFile.write([1, 2, 3], to: draft.files.state, mode: 0o444)
        return try draft.publish(try draft.describe(image: "demo", answer: 200))
    }

    @Test func `a published snapshot is found by its key and by no other`() throws {
        try withStore { store in
            let snapshot = try publish(store, key())
            #expect(try store.find(key()) == snapshot)
            try store.verify(snapshot)
            let others: [(inout SnapshotKey) -> Void] = [
                { $0.imageDigest = "sha256:2" }, { $0.root = "s" }, { $0.vcpus = 2 }, { $0.memoryMiB = 65 },
                { $0.diskMiB = 1 }, { $0.appPort = 81 }, { $0.environment = "" }, { $0.egress = "internet" },
                { $0.kernel = "l" }, { $0.initramfs = "j" }, { $0.vmm = "firecracker" }, { $0.vmmVersion = "7.3" },
                { $0.vmmBinary = "x" }, { $0.accelerator = "hardware" }, { $0.cpu = "d" }, { $0.hostKernel = "6.19" },
            ]
            for change in others { #expect(try store.find(key(change)) == nil) }
        }
    }

    @Test func `a snapshot that is removed while somebody looks at it is there or not, and never damaged`() throws {
        try withStore { store in
            let (over, key) = (Flag(), key())
            let looking = DispatchGroup()
            DispatchQueue.global().async(group: looking) {
                while !over.value.withLock({ $0 }) { #expect(throws: Never.self) { _ = try store.find(key) } }
            }
            for _ in 0..<100 { try store.remove(try publish(store, key).id) }
            over.value.withLock { $0 = true }
            looking.wait()
        }
    }

    @Test func `the environment's values are not in the manifest`() throws {
        try withStore { store in
            let snapshot = try publish(store, key())
            let text = String(
                decoding: try Files.read(snapshot.files.directory.appending("manifest.json")), as: UTF8.self)
            #expect(!text.contains("secret"))
        }
    }

    @Test func `a draft that was not published is nobody's snapshot, and the sweep removes it once its maker is gone`()
        throws
    {
        try withStore { store in
            do {
                let draft = try #require(try store.draft(key()))
                try AtomicFile.write([1], to: draft.files.memory)
                #expect(try store.find(key()) == nil)
                #expect(try store.draft(key()) == nil, "two makers of one snapshot")
                try store.sweep()
                #expect(Files.exists(draft.files.memory), "swept while its maker lives")
            }
            try store.sweep()
            #expect(try Files.list(store.state.snapshots) == [])
            // The lock is free again.
            try publish(store, key())
        }
    }

    @Test func `a discarded draft leaves nothing`() throws {
        try withStore { store in
            let draft = try #require(try store.draft(key()))
            try AtomicFile.write([1], to: draft.files.memory)
            try draft.discard()
            #expect(try Files.list(store.state.snapshots) == [])
        }
    }

    enum Damage: String, CaseIterable {
        case memoryTruncated, memoryExtended, memoryFlipped, memoryGone, memoryLinked, memoryWritable
        case stateTruncated, stateFlipped, stateEmpty, swapped, manifestGone, manifestBroken, version
    }

    @Test(arguments: Damage.allCases)
    func `a snapshot that is not what it was is never given out`(_ damage: Damage) throws {
        try withStore { store in
            let snapshot = try publish(store, key())
            try inflict(damage, on: snapshot)
            let error = #expect(throws: SnapshotError.self) {
                guard let found = try store.find(key()) else { return }
                try store.verify(found)
            }
            guard case .damaged(let reason) = error else {
                Issue.record("\(error as Any)")
                return
            }
            print("\(damage): \(reason)")
            try store.quarantine(snapshot.id, reason: reason)
            #expect(try store.find(key()) == nil)
            #expect(try store.quarantined().map(\.reason) == [reason])
            try store.forgetQuarantined()
            #expect(try store.quarantined() == [])
        }
    }

    private func inflict(_ damage: Damage, on snapshot: Snapshot) throws {
        let (memory, state) = (snapshot.files.memory, snapshot.files.state)
        let manifest = snapshot.files.directory.appending("manifest.json")
        func rewrite(_ path: FilePath, _ change: (inout [UInt8]) -> Void) throws {
            var bytes = try Files.read(path)
            change(&bytes)
            try AtomicFile.write(bytes, to: path, mode: 0o444)
        }
        switch damage {
        case .memoryTruncated: try rewrite(memory) { $0.removeLast() }
        case .memoryExtended: try rewrite(memory) { $0.append(0) }
        case .memoryFlipped: try rewrite(memory) { $0[5000] ^= 1 }
        case .memoryGone: try Files.remove(memory)
        case .memoryLinked: try Files.link(to: "/etc/passwd", at: memory)
        case .memoryWritable: chmod(memory.string, 0o666)
        case .stateTruncated: try rewrite(state) { $0.removeLast() }
        case .stateFlipped: try rewrite(state) { $0[1] ^= 0x80 }
        case .stateEmpty: try rewrite(state) { $0 = [] }
        case .swapped:
            let away = snapshot.files.directory.appending("x")
            try Files.rename(memory, to: away)
            try Files.rename(state, to: memory)
            try Files.rename(away, to: state)
        case .manifestGone: try Files.remove(manifest)
        case .manifestBroken: try rewrite(manifest) { $0.removeLast(20) }
        case .version:
            try rewrite(manifest) { bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                bytes = Array(text.replacing(#""version" : 1"#, with: #""version" : 2"#).utf8)
            }
        }
    }

    @Test func `a prefix names a snapshot when no other has it`() throws {
        try withStore { store in
            let first = try publish(store, key())
            #expect(try store.resolve(String(first.id.text.prefix(6))) == first.id)
            #expect(throws: SnapshotError.self) { try store.resolve("zzz") }
            #expect(throws: SnapshotError.self) { try store.resolve("") }
            try store.remove(first.id)
            #expect(try store.ids() == [])
            try store.remove(first.id)
        }
    }
}
