import Glibc
import LinuxHost
import SystemPackage
import Testing

extension EndToEnd {
    @Suite(
        .enabled(
            if: Repository.hasFirecracker && Files.exists("/dev/kvm"),
            "needs /dev/kvm, scripts/fetch-firecracker and the probe guest (make -C Tests/Guests/probe)"))
    struct FirecrackerTests {
        static let options = ["--vmm", "firecracker", "--kernel", Repository.probe.string]
        static let environment = ["FCCTL_FIRECRACKER": Repository.firecracker.appending("firecracker").string]

        @Test func `a jailed Firecracker serves, pauses when idle, resumes and is replaced when killed`() throws {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                let (gateway, url) = try fcctl.serve(
                    ["demo", "--idle-timeout", "1s", "--max", "2", "--standby", "0"] + FirecrackerTests.options)
                let answer = try HTTP.get(url + "/")
                #expect(answer.status == 200, "\(answer)")
                let id = try #require(answer.headers["x-instance-id"])
                let report = try fcctl.report(id)
                #expect(report.vmm == "firecracker")
                let pid = try #require(report.pid)
                // Its root is its jail, its user nobody's but its own.
                #expect(!Files.exists(FilePath("/proc/\(pid)/root/etc/passwd")))
                #expect(HostTraces.text(FilePath("/proc/\(pid)/status")).contains("Uid:\t30000"))

                try fcctl.until("it is paused") {
                    try HTTP.get(url + "/api/status").json(Status.self).instances["paused"] == 1
                }
                let again = try HTTP.get(url + "/")
                #expect(again.status == 200 && again.headers["x-instance-id"] == id, "\(again)")
                #expect(try HTTP.get(url + "/api/status").json(Status.self).starts["warm"]?.count == 1)

                fcctl.observe()
                kill(pid, SIGKILL)
                var next = try HTTP.get(url + "/")
                if next.status != 200 { next = try HTTP.get(url + "/") }
                #expect(next.status == 200 && next.headers["x-instance-id"] != id, "\(next)")
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `a single machine is run, paused, resumed, stopped and deleted`() throws {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                try fcctl.succeed(["run", "demo", "--name", "web"] + FirecrackerTests.options)
                for command in ["pause", "resume", "pause", "resume", "stop", "delete"] {
                    try fcctl.succeed([command, "web"])
                }
                #expect(fcctl.leaks() == [])
            }
        }

        @Test(arguments: [CrashPoint.monitorLaunched, .agentConnected, .appReady])
        func `a start that is killed half-way leaves no jail`(_ point: CrashPoint) throws {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                let run = try fcctl.start(
                    ["run", "demo"] + FirecrackerTests.options, environment: ["FCCTL_CRASH_AT": point.rawValue])
                #expect(try run.wait() == 128 + SIGKILL, "\(run.story)")
                fcctl.observe()
                #expect(try fcctl.list().isEmpty)
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `a gateway killed with its machines leaves no jail`() throws {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                let (gateway, url) = try fcctl.serve(["demo"] + FirecrackerTests.options)
                #expect(try HTTP.get(url + "/").status == 200)
                try fcctl.kill(gateway)
                // Without Firecracker's own binary: sweeping needs none.
                fcctl.environment["FCCTL_FIRECRACKER"] = ""
                #expect(try fcctl.list().isEmpty)
                #expect(fcctl.leaks() == [])
            }
        }
    }
}
