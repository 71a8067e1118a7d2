import Glibc
import LinuxHost
import SystemPackage
import Testing

extension EndToEnd {
    @Suite struct SideBySideTests {
        @Test(.enabled(if: Files.exists("/bin/busybox"), "needs a static BusyBox (apt-get install busybox-static)"))
        func `two gateways and other commands work at once on one state directory`() throws {
            try withFcctl { fcctl in
                let image = try fcctl.image("echo other >index.html; httpd -f -p 3000", name: "other")
                let demo = try fcctl.start(["serve", "demo", "--port", "0"])
                let other = try fcctl.start(["serve", image, "--port", "0"])
                let run = try fcctl.start(["run", "demo", "--name", "single", "--quiet"])
                let lists = try (0..<3).map { _ in try fcctl.start(["list", "--quiet"]) }
                for list in lists { #expect(try list.wait() == 0, "\(list.story)") }
                let urls = try [demo, other].map { gateway in
                    let line = try gateway.line(with: "http://")
                    return String(try #require(line.split(separator: " ").first { $0.hasPrefix("http://") }))
                }
                #expect(try HTTP.get(urls[0] + "/").body.contains("Hello from a microVM"))
                #expect(try HTTP.get(urls[1] + "/").body == "other\n")
                #expect(try run.wait() == 0, "\(run.story)")
                #expect(Set(try fcctl.list().map { $0.gateway ?? "-" }) == ["demo", "other", "-"])

                // The end of one is nothing to the others, its clean-up included.
                try demo.signal(SIGTERM)
                #expect(try demo.wait() == 0, "\(demo.story)")
                #expect(try HTTP.get(urls[1] + "/").status == 200)
                try fcctl.kill(other)
                #expect(try fcctl.ask("single", "/healthz") == "ok\n")
                #expect(try fcctl.list().map(\.name) == ["single"])
                #expect(try fcctl.ask("single", "/healthz") == "ok\n")
                try fcctl.succeed(["stop", "single"])
                try fcctl.succeed(["delete", "single"])
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `two installations on one host leave each other alone`() throws {
            try withFcctl { one in
                try withFcctl { other in
                    let first = try one.start(["run", "demo", "--name", "web", "-q"])
                    let second = try other.start(["run", "demo", "--name", "web", "-q"])
                    #expect(try first.wait() == 0, "\(first.story)")
                    #expect(try second.wait() == 0, "\(second.story)")
                    #expect(try one.list().map(\.id) != (try other.list().map(\.id)))
                    try one.succeed(["delete", "--force", "web"])
                    #expect(one.leaks() == [])
                    #expect(try other.ask("web", "/healthz") == "ok\n")
                }
            }
        }

        @Test func `one image is built once by commands that want it at the same time`() throws {
            try withFcctl { fcctl in
                let runs = try (0..<2).map { try fcctl.start(["run", "demo", "--name", "web-\($0)"]) }
                for run in runs { #expect(try run.wait(within: 120) == 0, "\(run.story)") }
                let roots = try Files.list(fcctl.state.appending("rootfs-cache")).filter { $0.hasSuffix(".ext4") }
                #expect(roots.count == 1)
            }
        }
    }
}
