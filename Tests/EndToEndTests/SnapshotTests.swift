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
        /// What `fcctl snapshot ls -o json` says of each.
        struct Report: Decodable {
            let id: String
            let state: String
            let reason: String?
            let clones: Int?
        }

        private func snapshots(_ fcctl: Fcctl) throws -> [Report] {
            try fcctl.decode([Report].self, try fcctl.succeed(["snapshot", "ls", "--output", "json"]))
        }

        @Test(arguments: CrashPoint.allCases.drop { $0 != .templateWarm })
        func `a command that is killed while it makes or uses a template leaves all of it or nothing`(
            _ point: CrashPoint
        ) throws {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                let bench = try fcctl.start(
                    ["bench", "demo", "0", "0", "2"] + FirecrackerTests.options,
                    environment: ["FCCTL_CRASH_AT": point.rawValue])
                #expect(try bench.wait() == 128 + SIGKILL, "\(bench.story)")
                fcctl.observe()
                #expect(try fcctl.list().isEmpty)
                for snapshot in try snapshots(fcctl) {
                    #expect(snapshot.state == "ready" && snapshot.clones == 0)
                    try fcctl.succeed(["snapshot", "verify", snapshot.id])
                    try fcctl.succeed(["snapshot", "rm", snapshot.id])
                }
                #expect(try Files.list(fcctl.state.appending("snapshots")) == [])
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `starts are restores once there is a template; a bad one is never used and is made again`() throws {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                let (first, url) = try fcctl.serve(["demo"] + FirecrackerTests.options)
                #expect(try HTTP.get(url + "/").status == 200)
                try fcctl.until("a clone is prepared") {
                    try snapshots(fcctl).contains { $0.state == "ready" && ($0.clones ?? 0) > 0 }
                }
                let id = try #require(try snapshots(fcctl).first?.id)
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
                    let found = try snapshots(fcctl)
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

        @Test func `a service without snapshots makes none, and one whose template fails goes on by cold boots`() throws
        {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                let (gateway, url) = try fcctl.serve(
                    ["demo", "--before-snapshot", "/no-such-hook"] + FirecrackerTests.options)
                _ = try gateway.line(with: "no snapshot was made")
                #expect(try HTTP.get(url + "/").status == 200)
                #expect(try snapshots(fcctl).isEmpty)
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }
    }
}
