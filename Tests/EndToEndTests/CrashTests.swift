import Glibc
import LinuxHost
import SystemPackage
import Testing

extension EndToEnd {
    @Suite struct CrashTests {
        /// From the first thing that is made to the last before the machine belongs to nobody but the user.
        static let starting = CrashPoint.allCases.prefix { $0 != .recordFinal }

        @Test(arguments: starting)
        func `a run that is killed half-way leaves nothing after the next command`(_ point: CrashPoint) throws {
            try withFcctl { fcctl in
                let run = try fcctl.start(["run", "demo"], environment: ["FCCTL_CRASH_AT": point.rawValue])
                #expect(try run.wait() == 128 + SIGKILL, "\(run.story)")
                fcctl.observe()
                #expect(try fcctl.list().isEmpty)
                #expect(fcctl.leaks() == [])
            }
        }

        @Test(arguments: [CrashPoint.slotMade, .scratchMade, .monitorLaunched, .appReady, .recordFinal])
        func `a gateway that is killed while a machine starts leaves nothing after the next command`(
            _ point: CrashPoint
        ) throws {
            try withFcctl { fcctl in
                let serve = try fcctl.start(
                    ["serve", "demo", "--port", "0", "--disk-size", "16"],
                    environment: ["FCCTL_CRASH_AT": point.rawValue])
                #expect(try serve.wait() == 128 + SIGKILL, "\(serve.story)")
                fcctl.observe()
                #expect(try fcctl.list().isEmpty)
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `kill -9 at any moment of a start leaves nothing after the next command`() throws {
            let seed = UInt64.random(in: .min ... .max)
            print("seed of the moments: \(seed)")
            var generator = SplitMix64(state: seed)
            try withFcctl { fcctl in
                for round in 0..<6 {
                    let command = round % 2 == 0 ? ["run", "demo"] : ["serve", "demo", "--port", "0", "--min", "2"]
                    let program = try fcctl.start(command)
                    poll(nil, 0, Int32.random(in: 0...3500, using: &generator))
                    try fcctl.kill(program)
                    // One that was quicker than the kill has made a machine that stays.
                    for machine in try fcctl.list() {
                        #expect(machine.gateway == nil && machine.state == "running", "seed \(seed), round \(round)")
                        try fcctl.succeed(["delete", "--force", machine.id])
                    }
                    #expect(fcctl.leaks() == [], "seed \(seed), round \(round)")
                }
            }
        }

        @Test func `a download of the kernel does not outlive the command that began it`() throws {
            try withFcctl(kernel: false) { fcctl in
                let tools = fcctl.scratch.appending("tools")
                try Files.makeDirectory(tools)
                let listing = "#!/bin/sh\necho 'Depends: linux-image-6.1-test'\n"
                try AtomicFile.write(Array(listing.utf8), to: tools.appending("apt-cache"), mode: 0o755)
                try AtomicFile.write(
                    Array("#!/bin/sh\nexec sleep 1000\n".utf8), to: tools.appending("apt-get"), mode: 0o755)
                let run = try fcctl.start(
                    ["run", "demo"],
                    environment: ["PATH": "\(tools):/usr/bin:/bin", "FCCTL_ASSETS_URL": "http://127.0.0.1:9/"])
                _ = try run.line(with: "127.0.0.1:9")
                try fcctl.until("the download runs") { try children(of: run.pid).contains("sleep") }
                try fcctl.kill(run)
                try fcctl.until("the download has ended", within: 5) {
                    !fcctl.leaks().contains { $0.contains("(sleep)") }
                }
            }
        }

        private func children(of pid: Int32) throws -> [String] {
            let program = try Program(
                "ps", ["-o", "comm=", "--ppid", "\(pid)"], environment: ["PATH": "/usr/bin:/bin"])
            try program.wait()
            return program.stdout.split(whereSeparator: \.isWhitespace).map(String.init)
        }

        @Test func `a machine whose start was complete survives its killed command`() throws {
            try withFcctl { fcctl in
                let run = try fcctl.start(
                    ["run", "demo", "--name", "web"], environment: ["FCCTL_CRASH_AT": "record-final"])
                #expect(try run.wait() == 128 + SIGKILL, "\(run.story)")
                #expect(try fcctl.list().map(\.state) == ["running"])
                // A command killed between the act and its record: the same command again puts it right.
                for (command, point) in [("pause", "paused"), ("resume", "resumed")] {
                    let killed = try fcctl.start([command, "web"], environment: ["FCCTL_CRASH_AT": point])
                    #expect(try killed.wait() == 128 + SIGKILL, "\(killed.story)")
                    try fcctl.succeed([command, "web"])
                }
                #expect(try fcctl.ask("web", "/healthz") == "ok\n")
                for point in ["app-stopped", "monitor-ended"] {
                    let killed = try fcctl.start(["stop", "web"], environment: ["FCCTL_CRASH_AT": point])
                    try killed.wait()
                    #expect(try fcctl.list().map(\.state) == ["stopped"], "\(killed.story)")
                }
                let killed = try fcctl.start(["delete", "web"], environment: ["FCCTL_CRASH_AT": "resources-freed"])
                #expect(try killed.wait() == 128 + SIGKILL, "\(killed.story)")
                try fcctl.run(["delete", "web"])
                #expect(try fcctl.list().isEmpty)
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `a machine whose VMM is killed shows as stopped and leaves nothing after delete`() throws {
            try withFcctl { fcctl in
                try fcctl.succeed(["run", "demo", "--name", "web"])
                let pid = try #require(try fcctl.report("web").pid)
                fcctl.observe()
                kill(pid, SIGKILL)
                let shown = try fcctl.report("web")
                #expect(shown.state == "stopped" && shown.exit == "was killed")
                // All but its folder is free already.
                #expect(fcctl.leaks().allSatisfy { $0.hasPrefix("file vms/\(shown.id)") })
                try fcctl.succeed(["delete", "web"])
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `serve replaces a machine whose VMM was killed`() throws {
            try withFcctl { fcctl in
                let (gateway, url) = try fcctl.serve(["demo", "--max", "2"])
                let first = try #require(try HTTP.get(url + "/").headers["x-instance-id"])
                let pid = try #require(try fcctl.report(first).pid)
                let killed = ContinuousClock.now
                kill(pid, SIGKILL)
                var answer = try HTTP.get(url + "/")
                // The request that meets the dying machine may be told so; the next one is served.
                if answer.status != 200 { answer = try HTTP.get(url + "/") }
                #expect(answer.status == 200, "\(answer)")
                #expect(answer.headers["x-instance-id"] != first)
                print("a request after the kill was answered in \(ContinuousClock.now - killed)")
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `machines of a killed gateway are swept by the next command`() throws {
            try withFcctl { fcctl in
                let (gateway, url) = try fcctl.serve(["demo", "--min", "2"])
                #expect(try HTTP.get(url + "/").status == 200)
                try fcctl.until("two machines run") {
                    try HTTP.get(url + "/api/status").json(Status.self).instances["idle"] == 2
                }
                try fcctl.kill(gateway)
                #expect(!fcctl.leaks().isEmpty)
                #expect(try fcctl.list().isEmpty)
                #expect(fcctl.leaks() == [])
            }
        }
    }
}

/// A small generator whose numbers a seed repeats.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
