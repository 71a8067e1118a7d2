import Glibc
import LinuxHost
import SystemPackage
import Testing

extension EndToEnd {
    @Suite(
        .enabled(
            if: Repository.hasFirecracker && Files.exists("/dev/kvm"),
            "needs /dev/kvm, scripts/fetch-firecracker and the probe guest (make -C Tests/Guests/probe)"))
    struct SnapshotTests {
        @Test func `starts are restores once there is a template; a bad one is never used and is made again`() throws {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                let (first, url) = try fcctl.serve(["demo"] + FirecrackerTests.options)
                #expect(try HTTP.get(url + "/").status == 200)
                let id = try fcctl.untilCloned()
                let refusal = try fcctl.run(["snapshot", "rm", id])
                #expect(refusal.status != .exited(0), "\(refusal.story)")
                try first.signal(SIGTERM)
                #expect(try first.wait() == 0, "\(first.story)")

                // The next gateway's first machine is a clone.
                let (second, again) = try fcctl.serve(["demo"] + FirecrackerTests.options)
                try fcctl.until("a machine is there") {
                    try HTTP.get(again + "/api/status").json(Status.self).instances["idle"] == 1
                }
                #expect(try HTTP.get(again + "/").status == 200)
                #expect(try HTTP.get(again + "/api/status").json(Status.self).starts["snapshot"]?.count == 1)
                try second.signal(SIGTERM)
                #expect(try second.wait() == 0, "\(second.story)")

                let memory = fcctl.state.appending("snapshots").appending(id).appending("mem")
                var bytes = try Files.read(memory, limit: 1 << 30)
                bytes[bytes.count / 2] ^= 1
                try AtomicFile.write(bytes, to: memory, mode: 0o444)
                let (third, last) = try fcctl.serve(["demo"] + FirecrackerTests.options)
                #expect(try HTTP.get(last + "/").status == 200)
                #expect(try HTTP.get(last + "/api/status").json(Status.self).starts["cold"]?.count == 1)
                try fcctl.until("the template is made again") {
                    let found = try fcctl.snapshots()
                    return found.contains { $0.state == "ready" }
                        && found.contains {
                            $0.state == "quarantined" && $0.reason?.contains("mem has changed") == true
                        }
                }
                try third.signal(SIGTERM)
                #expect(try third.wait() == 0, "\(third.story)")
                try fcctl.succeed(["snapshot", "prune"])
                #expect(try Files.list(fcctl.state.appending("snapshots")) == [])
                #expect(fcctl.leaks() == [])
            }
        }

    }
}
