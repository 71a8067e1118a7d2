import Glibc
import LinuxHost
import SystemPackage
import Testing

extension EndToEnd {
    @Suite struct StartStopTests {
        @Test func `the first command of an installation fetches a kernel, killed or not`() throws {
            try withFcctl(kernel: false) { fcctl in
                let killed = try fcctl.start(["serve", "demo", "--port", "0"])
                let line = try killed.line(with: "kernel", within: 120)
                // The pinned download needs its own server, the distribution's package a mirror.
                if !line.contains("unpacking"), (try? killed.line(with: "unpacking", within: 120)) == nil {
                    try #require(killed.stderr.contains("no guest kernel was found"), "\(killed.story)")
                    return
                }
                try fcctl.kill(killed)
                #expect(try fcctl.list().isEmpty)
                #expect(fcctl.leaks() == [])
                let (gateway, url) = try fcctl.serve(["demo"], within: 180)
                #expect(try HTTP.get(url + "/").status == 200)
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        @Test(arguments: [SIGINT, SIGTERM])
        func `a run that is interrupted takes back what it made`(_ signal: Int32) throws {
            try withFcctl { fcctl in
                let run = try fcctl.start(["run", "demo"])
                try fcctl.until("a VMM runs") { fcctl.hasMembers() }
                fcctl.observe()
                try run.signal(signal)
                #expect(try run.wait(within: 30) == 128 + signal, "\(run.story)")
                #expect(run.stderr.contains("interrupted"), "\(run.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `of two runs with one name one is refused and leaves nothing`() throws {
            try withFcctl { fcctl in
                let runs = try (0..<2).map { _ in try fcctl.start(["run", "demo", "--name", "web", "-q"]) }
                #expect(try runs.map { try $0.wait() }.sorted() == [0, 64], "\(runs.map(\.story))")
                #expect(try fcctl.list().count == 1)
                try fcctl.succeed(["delete", "--force", "web"])
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `a log is followed until its machine ends`() throws {
            try withFcctl { fcctl in
                try fcctl.succeed(["run", "demo", "--name", "web"])
                let log = try fcctl.start(["logs", "--follow", "web"])
                _ = try log.line(with: "demo-app")
                _ = try fcctl.ask("web", "/log?text=first+line")
                _ = try log.line(with: "first line")
                // A guest's text must not drive the reader's terminal.
                _ = try fcctl.ask("web", "/log?text=%1b%5b2Jcleared")
                _ = try log.line(with: "\\x1b[2Jcleared")
                try fcctl.succeed(["stop", "web"])
                #expect(try log.wait(within: 20) == 0, "\(log.story)")
                #expect(log.stdout.contains("demo-app: ending"), "\(log.story)")
            }
        }

        @Test(.enabled(if: Files.exists("/bin/busybox"), "needs a static BusyBox (apt-get install busybox-static)"))
        func `an app that ignores its stop signal is killed after the time it was given`() throws {
            try withFcctl { fcctl in
                let image = try fcctl.image("trap 'echo never' TERM; httpd -p 3000; while :; do sleep 1; done")
                try fcctl.succeed(["run", image, "--name", "stubborn"])
                let begun = ContinuousClock.now
                try fcctl.succeed(["stop", "--time", "2s", "stubborn"])
                #expect(ContinuousClock.now - begun >= .seconds(2))
                let report = try fcctl.report("stubborn")
                #expect(report.state == "stopped" && report.exit?.contains("killed") == true, "\(report)")
                #expect(try fcctl.succeed(["logs", "stubborn"]).contains("never"))
            }
        }

        @Test func `a gateway starts again right after it was killed`() throws {
            try withFcctl { fcctl in
                let (first, url) = try fcctl.serve(["demo", "--name", "shop"])
                let before = try #require(try HTTP.get(url + "/").headers["x-instance-id"])
                try fcctl.kill(first)
                let (second, again) = try fcctl.serve(["demo", "--name", "shop"])
                let answer = try HTTP.get(again + "/")
                #expect(answer.status == 200 && answer.headers["x-instance-id"] != before)
                #expect(try fcctl.list().allSatisfy { $0.gateway == "shop" })
                try second.signal(SIGTERM)
                #expect(try second.wait() == 0, "\(second.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `a record that another fcctl wrote is named and left alone`() throws {
            try withFcctl { fcctl in
                try fcctl.succeed(["list"])
                let folder = fcctl.state.appending("vms/aaaaaaaaaaaa")
                fcctl.atEnd { try Files.removeTree(folder) }
                try Files.makeDirectory(folder)
                for text in ["{\"version\": 99}", "not json"] {
                    try AtomicFile.write(Array(text.utf8), to: folder.appending("metadata.json"))
                    #expect(try fcctl.list().isEmpty)
                    let info = try fcctl.run(["info", "aaaa"])
                    #expect(info.status == .exited(65) && info.stderr.contains("aaaaaaaaaaaa"), "\(info.story)")
                    #expect(HostTraces.text(folder.appending("metadata.json")) == text)
                }
            }
        }
    }
}
