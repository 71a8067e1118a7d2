import FoundationEssentials
import Glibc
import LinuxHost
import SystemPackage
import Testing

extension EndToEnd {
    @Suite(
        .enabled(
            if: Repository.hasFirecracker && Files.exists("/dev/kvm"),
            "needs /dev/kvm, scripts/fetch-firecracker and the probe guest (make -C Tests/Guests/probe)"))
    struct SnapshotCommandTests {
        /// What `snapshot inspect` says; all of it is there for one that is ready.
        private struct Inspection: Decodable {
            struct Content: Decodable {
                let bytes: UInt64
                let sha256: String
            }
            struct Key: Decodable {
                let vmm: String
                let vmmVersion: String
                let memoryMiB: Int
                let kernel: String
                let hostKernel: String
            }
            let id: String
            let state: String
            let image: String
            let key: Key
            let memory: Content
            let vm_state: Content
            let bytes_on_disk: UInt64
            let clones: Int
            let created_at: Int64
            let used_at: Int64
        }

        private struct Verdict: Decodable, Equatable {
            let id: String
            let result: String
            let reason: String
        }

        @Test func `snapshots are listed, inspected, verified, refused to be removed while in use, removed and pruned`()
            throws
        {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                #expect(try fcctl.snapshots().isEmpty)
                let (gateway, url) = try fcctl.serve(["demo", "--max", "2"] + FirecrackerTests.options)
                let id = try fcctl.untilCloned()
                #expect(try fcctl.succeed(["snapshot", "ls", "--quiet"]) == id)
                let table = try fcctl.succeed(["snapshot", "ls"])
                #expect(table.contains(id) && table.contains("CLONES") && table.contains("USED"), "\(table)")

                let text = try fcctl.succeed(["snapshot", "inspect", String(id.prefix(5))])
                let found = try fcctl.decode(Inspection.self, text)
                #expect(found.id == id && found.state == "ready" && found.image == "demo" && found.clones > 0)
                #expect(found.key.vmm == "firecracker" && found.key.memoryMiB == 128)
                #expect(found.memory.bytes == 128 << 20 && found.memory.sha256.utf8.count == 64)
                // Sparse: on disk is what the guest has touched.
                #expect(found.bytes_on_disk > 0 && found.bytes_on_disk < found.memory.bytes / 8)
                #expect(found.used_at >= found.created_at && WallClock.seconds() - found.used_at < 120)
                let verdicts = try fcctl.decode(
                    [Verdict].self, try fcctl.succeed(["snapshot", "verify", "--output", "json"]))
                #expect(verdicts == [Verdict(id: id, result: "ok", reason: "")])

                let refusal = try fcctl.run(["snapshot", "rm", id])
                #expect(refusal.status == .exited(64), "\(refusal.story)")
                #expect(refusal.stderr.contains("of \(id); stop them first or use --force"), "\(refusal.story)")
                #expect(try fcctl.succeed(["snapshot", "prune"]) == "")
                #expect(try fcctl.run(["snapshot", "inspect", "ffff"]).status == .exited(66))

                // Its clones go on, and the gateway makes another one.
                let removed = try fcctl.succeed(["snapshot", "rm", "--force", "--output", "json", id])
                #expect(removed.contains(id))
                #expect(try HTTP.get(url + "/").status == 200)
                #expect(try fcctl.untilCloned() == id)
                #expect(
                    try fcctl.decode(Inspection.self, try fcctl.succeed(["snapshot", "inspect", id])).created_at
                        >= found.created_at)
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(!gateway.stderr.contains("warning: cannot"), "\(gateway.story)")

                #expect(try fcctl.succeed(["snapshot", "prune", "--unused-for", "1h"]) == "")
                #expect(try fcctl.succeed(["snapshot", "prune"]) == id)
                #expect(try fcctl.succeed(["snapshot", "ls", "--quiet"]) == "")
                #expect(fcctl.leaks() == [])
            }
        }
    }
}
