import Glibc
import LinuxHost
import SystemPackage
import Testing

/// All tests of the built binary, one after the other: each wants the machine's cores for its guests.
@Suite(
    .serialized,
    .enabled(if: Repository.canRun, "needs root, /dev/net/tun, qemu-system-x86_64 and the built fcctl"))
struct EndToEnd {}

extension EndToEnd {
    @Suite struct ServeTests {
        @Test func `serve demo on an empty state directory answers 200 from inside a guest`() throws {
            try withFcctl { fcctl in
                let (gateway, url) = try fcctl.serve(["demo"])
                let answer = try HTTP.get(url + "/")
                #expect(answer.status == 200)
                #expect(answer.body.contains("Hello from a microVM"))
                let id = try #require(answer.headers["x-instance-id"])
                #expect(id.count == 12)
                #expect(answer.headers["x-instance-ip"]?.split(separator: ".").count == 4)
                #expect(Double(answer.headers["x-latency-ms"] ?? "") != nil)

                let status = try HTTP.get(url + "/api/status").json(Status.self)
                #expect(status.instances["total"] == 1)
                #expect(status.requests["total"] == 1)
                #expect(status.config["max"] == .number(10))
                #expect(status.starts["cold"]?.count == 1)
                let instances = try HTTP.get(url + "/api/instances").json([Instance].self)
                #expect(instances.map(\.id) == [id])
                #expect(try fcctl.succeed(["list", "--quiet"]).split(separator: "\n").contains(Substring(id)))

                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `a body is streamed through in both directions`() throws {
            try withFcctl { fcctl in
                let (_, url) = try fcctl.serve(["demo"])
                let text = String(repeating: "0123456789abcdef", count: 40_000)
                let file = fcctl.scratch.appending("body")
                try AtomicFile.write(Array(text.utf8), to: file)
                let sent = try HTTP.get(url + "/echo", ["--data-binary", "@\(file)"])
                #expect(sent.status == 200)
                #expect(sent.body == text)
                let chunked = try HTTP.get(
                    url + "/echo", ["--header", "Transfer-Encoding: chunked", "--data-binary", "@\(file)"])
                #expect(chunked.body == text)
                #expect(try HTTP.get(url + "/bytes?n=3000000").body.utf8.count == 3_000_000)

                // Events arrive one by one, not when the app has sent the last.
                let events = try HTTP.start(url + "/sse?n=1000&ms=50", ["--no-buffer"])
                _ = try events.line(with: "data:")
                #expect(events.status == nil)
            }
        }

        @Test func `SIGTERM finishes what is in flight and exits with 0`() throws {
            try withFcctl { fcctl in
                let (gateway, url) = try fcctl.serve(["demo"])
                #expect(try HTTP.get(url + "/").status == 200)
                let slow = try HTTP.start(url + "/slow?ms=2500")
                try fcctl.until("the request is in flight") {
                    try HTTP.get(url + "/api/status").json(Status.self).requests["active"] == 1
                }
                try gateway.signal(SIGTERM)
                _ = try gateway.line(with: "stopping")
                let answer = try HTTP.answer(of: slow)
                #expect(answer.status == 200)
                #expect(answer.body == "slow\n")
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `a second SIGTERM ends serve at once`() throws {
            try withFcctl { fcctl in
                let (gateway, url) = try fcctl.serve(["demo"])
                #expect(try HTTP.get(url + "/").status == 200)
                let slow = try HTTP.start(url + "/slow?ms=60000")
                try fcctl.until("the request is in flight") {
                    try HTTP.get(url + "/api/status").json(Status.self).requests["active"] == 1
                }
                try gateway.signal(SIGTERM)
                _ = try gateway.line(with: "stopping")
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait(within: 20) == 0, "\(gateway.story)")
                try slow.wait(within: 10)
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `SIGTERM while machines boot ends serve and its machines`() throws {
            try withFcctl { fcctl in
                let (gateway, _) = try fcctl.serve(["demo", "--min", "2", "--drain-timeout", "5s"])
                try fcctl.until("a VMM runs") { fcctl.hasMembers() }
                fcctl.observe()
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait(within: 60) == 0, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }
    }
}
