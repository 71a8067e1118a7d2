import Glibc
import LinuxHost
import SystemPackage
import Testing

extension EndToEnd {
    @Suite(
        .enabled(
            if: Repository.hasFirecracker && Files.exists("/dev/kvm"),
            "needs /dev/kvm, scripts/fetch-firecracker and the probe guest (make -C Tests/Guests/probe)"))
    struct StandbyTests {
        private func instances(_ url: String) throws -> [String: Int] {
            try HTTP.get(url + "/api/status").json(Status.self).instances
        }

        /// Makes the template, as any earlier run of the service would have.
        private func makeTemplate(_ fcctl: Fcctl) throws {
            fcctl.environment.merge(FirecrackerTests.environment) { $1 }
            try fcctl.succeed(["bench", "demo", "0", "0", "1"] + FirecrackerTests.options)
        }

        @Test func `standby machines are kept, sleep, serve at the price of a wake-up and are replaced`() throws {
            try withFcctl(kernel: false) { fcctl in
                try makeTemplate(fcctl)
                let (gateway, url) = try fcctl.serve(
                    ["demo", "--min", "0", "--max", "6", "--standby", "2"] + FirecrackerTests.options)
                try fcctl.until("two are on standby") { try instances(url)["paused"] == 2 }
                let answer = try HTTP.get(url + "/")
                #expect(answer.status == 200 && answer.headers["x-start-type"] == "resumed", "\(answer)")
                try fcctl.until("there are two again, besides the one that served") {
                    let now = try instances(url)
                    return now["paused"] == 2 || (now["paused"] == 1 && now["idle"] == 1)
                }
                let held = try HTTP.start(url + "/hang", within: 20)
                try fcctl.until("two sleep besides the busy one") {
                    let now = try instances(url)
                    return now["busy"] == 1 && (now["paused"] ?? 0) + (now["idle"] ?? 0) >= 2
                }
                try held.signal(SIGKILL)
                try held.wait(within: 10)
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `without standby there is none, and without snapshots every start is a boot`() throws {
            try withFcctl(kernel: false) { fcctl in
                try makeTemplate(fcctl)
                for (flags, kind) in [(["--standby", "0"], "restored"), (["--no-snapshots"], "booted")] {
                    let (gateway, url) = try fcctl.serve(["demo", "--min", "0"] + flags + FirecrackerTests.options)
                    // Asked for as soon as there is a port: a restore is the sooner start even then.
                    let answer = try HTTP.get(url + "/")
                    #expect(answer.status == 200 && answer.headers["x-start-type"] == kind, "\(answer)")
                    // Longer than a reserve would take to come.
                    for _ in 0..<10 { shortPause() }
                    #expect(try instances(url)["total"] == 1)
                    try gateway.signal(SIGTERM)
                    #expect(try gateway.wait() == 0, "\(gateway.story)")
                }
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `many starts use up nothing of the gateway's`() throws {
            try withFcctl(kernel: false) { fcctl in
                try makeTemplate(fcctl)
                let (gateway, url) = try fcctl.serve(
                    ["demo", "--min", "0", "--max", "2", "--standby", "0", "--max-requests", "1"]
                        + FirecrackerTests.options)
                func open() throws -> Int { try Files.list(FilePath("/proc/\(gateway.pid)/fd")).count }
                func start(_ count: Int) throws {
                    for _ in 0..<count { #expect(try HTTP.get(url + "/").status == 200) }
                    try fcctl.until("the machines are gone") { try instances(url)["total"] == 0 }
                }
                try start(6)
                let before = try open()
                try start(30)
                // Prepared clones and slots come and go meanwhile: a few descriptors each.
                #expect(try open() < before + 30)
                #expect(try HTTP.get(url + "/api/status").json(Status.self).starts["snapshot"]?.count == 36)
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }
    }
}
