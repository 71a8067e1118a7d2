import Glibc
import LinuxHost
import SystemPackage
import Testing

extension EndToEnd {
    /// An app that does not stay up: starts become rare, requests are refused at once, and it ends when the app is well.
    @Suite struct CrashLoopTests {
        @Test(.enabled(if: Files.exists("/bin/busybox"), "needs a static BusyBox (apt-get install busybox-static)"))
        func `an app that ends at once is started rarely, refused at once, named, and served when it stays up`() throws
        {
            try withFcctl { fcctl in
                // Three failures under emulation take some ten seconds; what comes after them is well.
                let wellAt = time(nil) + 25
                let image = try fcctl.image(
                    """
                    if [ $(date +%s) -lt \(wellAt) ]; then echo no configuration; exit 4; fi
                    echo fine >/tmp/index.html; httpd -f -p 3000 -h /tmp
                    """)
                let (gateway, url) = try fcctl.serve([image, "--max", "1", "--no-snapshots"])
                _ = try gateway.line(with: "do not stay up")
                #expect(time(nil) < wellAt, "the host was too slow for the test")
                try expectRefusals(url, naming: "no configuration")
                // Tried by and by without any request.
                _ = try gateway.line(with: "stays up again")
                let answer = try HTTP.get(url + "/")
                #expect(answer.status == 200 && answer.body == "fine\n", "\(answer)")
                let failures = gateway.stderr.split(separator: "\n").filter { $0.contains("machine did not start") }
                #expect((3...9).contains(failures.count), "\(gateway.story)")
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        private func expectRefusals(_ url: String, naming words: String) throws {
            var spans: [Double] = []
            for _ in 0..<10 {
                let answer = try HTTP.get(url + "/", ["--write-out", "\n%{time_total}"])
                #expect(answer.status == 503 && answer.headers["x-fcctl-error"] == "instances-failing", "\(answer)")
                #expect((1...30).contains(Int(answer.headers["retry-after"] ?? "") ?? 0), "\(answer)")
                spans.append(Double(answer.body.split(separator: "\n").last ?? "") ?? 1)
            }
            spans.sort()
            print("refused within \(spans) s")
            // Half of them, because others want the processor as well.
            #expect(spans[5] < 0.01, "\(spans)")
            let failure = try HTTP.get(url + "/api/status").json(Status.self).last_failure
            #expect(failure?.reason.contains(words) == true, "\(failure as Any)")
        }
    }
}
