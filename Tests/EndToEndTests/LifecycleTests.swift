import Glibc
import LinuxHost
import SystemPackage
import Testing

extension EndToEnd {
    @Suite struct LifecycleTests {
        @Test func `a machine runs, is listed, shown, stopped and deleted`() throws {
            try withFcctl { fcctl in
                let run = try fcctl.run(["run", "demo", "--name", "web", "--output", "json"])
                #expect(run.status == .exited(0), "\(run.story)")
                let made = try fcctl.decode(MachineReport.self, run.stdout)
                #expect(made.name == "web" && made.state == "running" && made.cpus == 1 && made.mem_mib == 256)
                #expect(made.phases_ms.map { Set($0.keys) } == ["image", "slot", "vmm", "kernel", "app_ready"])
                let quiet = try fcctl.run(["run", "demo", "--quiet"])
                #expect(quiet.stderr == "", "quiet means quiet")
                let second = quiet.stdout.split(separator: "\n").joined()
                #expect(second.count == 12)

                #expect(try fcctl.list().map(\.id) == [made.id, second])
                #expect(try fcctl.succeed(["ls", "-q"]) == "\(made.id)\n\(second)")
                let table = try fcctl.succeed(["list"])
                #expect(table.hasPrefix("ID") && table.contains("web") && table.contains("demo-1"))
                // By name, by id and by a beginning of the id.
                let prefix = String(made.id.prefix(second.hasPrefix(made.id.prefix(6)) ? 12 : 6))
                for text in ["web", made.id, prefix] {
                    #expect(try fcctl.report(text).id == made.id)
                }
                #expect(try fcctl.succeed(["info", "web", "-q"]) == made.id)
                #expect(try fcctl.succeed(["info", "web"]).contains("total"))
                #expect(try fcctl.succeed(["logs", "web"]).contains("demo-app"))

                #expect(try fcctl.succeed(["stop", "web"]) == "web")
                let stopped = try fcctl.report("web")
                #expect(stopped.state == "stopped" && stopped.pid == nil)
                #expect(stopped.exit?.hasSuffix("0") == true, "\(stopped)")
                #expect(try fcctl.succeed(["logs", "web"]).contains("demo-app: ending"))
                #expect(try fcctl.succeed(["delete", "web", "-q"]) == made.id)
                #expect(try fcctl.succeed(["rm", "--force", second]) == "demo-1")
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `pause stops the guest's CPU time and resume continues it with the clock right`() throws {
            try withFcctl { fcctl in
                try fcctl.succeed(["run", "demo", "--name", "sleeper"])
                let pid = try #require(try fcctl.report("sleeper").pid)
                let vmm = try #require(ProcessIdentity(pid: pid))
                #expect(try fcctl.succeed(["sleep", "sleeper"]) == "sleeper")
                #expect(try fcctl.report("sleeper").state == "paused")
                let before = try #require(vmm.cpuTicks)
                poll(nil, 0, 3000)
                // QEMU's own threads may tick; a guest under emulation with a timer would take far more.
                #expect(try #require(vmm.cpuTicks) - before <= 5)
                #expect(try fcctl.succeed(["wake", "sleeper"]) == "sleeper")
                #expect(try fcctl.report("sleeper").state == "running")

                // The app's own words: the guest's clock against ours, which went on for the whole pause.
                let time = try fcctl.ask("sleeper", "/time")
                let guest = try #require(Int64(time.split(separator: "\n").joined()))
                let host = Int64(Glibc.time(nil)) * 1000
                #expect(abs(guest - host) < 2500, "guest \(guest), host \(host)")
            }
        }

        @Test func `every illegal transition is refused by name with exit status 64`() throws {
            try withFcctl { fcctl in
                try fcctl.succeed(["run", "demo", "--name", "web"])
                func refuse(_ words: [String], _ reason: String) throws {
                    let refused = try fcctl.run(words + ["web"])
                    #expect(refused.status == .exited(64), "\(refused.story)")
                    #expect(refused.stderr.contains(reason) && refused.stderr.contains("web"), "\(refused.story)")
                    #expect(refused.stdout == "")
                }
                try refuse(["resume"], "cannot resume web: it is running")
                try refuse(["delete"], "cannot delete web: it is running; stop it first or use --force")
                try fcctl.succeed(["pause", "web"])
                try refuse(["pause"], "cannot pause web: it is paused")
                try refuse(["delete"], "cannot delete web: it is paused")
                try refuse(["logs"], "cannot read the log of web: it is paused")
                try fcctl.succeed(["stop", "web"])
                try refuse(["pause"], "cannot pause web: it is stopped")
                try refuse(["resume"], "cannot resume web: it is stopped")
                try refuse(["stop"], "cannot stop web: it is stopped")
                let taken = try fcctl.run(["run", "demo", "--name", "web"])
                #expect(
                    taken.status == .exited(64) && taken.stderr.contains("a machine named web exists"), "\(taken.story)"
                )
                try fcctl.succeed(["delete", "web"])
                let gone = try fcctl.run(["info", "web"])
                #expect(gone.status == .exited(66) && gone.stderr.contains("there is no machine web"), "\(gone.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `of two commands at once on one machine each is done or refused, never half`() throws {
            try withFcctl { fcctl in
                try fcctl.succeed(["run", "demo", "--name", "web"])
                let pauses = try (0..<4).map { _ in try fcctl.start(["pause", "web"]) }
                let paused = try pauses.map { try $0.wait() }
                #expect(paused.sorted() == [0, 64, 64, 64], "\(pauses.map(\.story))")
                #expect(try fcctl.report("web").state == "paused")
                let mixed = try [["resume", "web"], ["stop", "web"], ["delete", "--force", "web"]].map {
                    try fcctl.start($0)
                }
                for command in mixed {
                    #expect([0, 64, 66].contains(try command.wait()), "\(command.story)")
                }
                try fcctl.run(["delete", "--force", "web"])
                #expect(try fcctl.list().isEmpty)
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `machines of a gateway are shown and left to it`() throws {
            try withFcctl { fcctl in
                let (_, url) = try fcctl.serve(["demo", "--name", "shop"])
                let id = try #require(try HTTP.get(url + "/").headers["x-instance-id"])
                let shown = try fcctl.report(id)
                #expect(shown.gateway == "shop" && shown.state == "running")
                for words in [["pause"], ["stop"], ["delete", "--force"]] {
                    let refused = try fcctl.run(words + [id])
                    #expect(refused.status == .exited(64), "\(refused.story)")
                    #expect(refused.stderr.contains("belongs to the running gateway shop"))
                }
                #expect(try HTTP.get(url + "/").headers["x-instance-id"] == id)
            }
        }
    }
}
