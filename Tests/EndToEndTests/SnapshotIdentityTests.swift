import FoundationEssentials
import Glibc
import LinuxHost
import SystemPackage
import Testing

extension EndToEnd {
    @Suite struct SnapshotIdentityTests {
        /// An app that writes down what it is told around a snapshot, and what it was when it was told.
        private static let script = """
            mkdir -p /www/cgi-bin; cd /www/cgi-bin; echo hello >../index.html
            cat >who <<'END'
            #!/bin/sh
            busybox printf 'Content-Type: text/plain\\r\\n\\r\\n'
            echo "$(busybox hostname) $(cat /etc/machine-id) $(cat /proc/sys/kernel/random/boot_id) $(date +%s)"
            END
            cat >draw <<'END'
            #!/bin/sh
            busybox printf 'Content-Type: text/plain\\r\\n\\r\\n'
            sleep 5; cat /app-id; busybox head -c 16 /dev/urandom | busybox md5sum; cat /told
            END
            cat >told <<'END'
            #!/bin/sh
            busybox printf 'Content-Type: text/plain\\r\\n\\r\\n'
            echo "$QUERY_STRING $REQUEST_METHOD $(./who | busybox tail -n 1)" >>/told
            END
            busybox chmod 755 who draw told
            busybox head -c 16 /dev/urandom | busybox md5sum >/app-id
            exec httpd -f -p 3000 -h /www
            """

        @Test(.enabled(if: Files.exists("/bin/busybox"), "needs a static BusyBox (apt-get install busybox-static)"))
        func
            `a clone has ids, names, random numbers and time of its own before its hook, and its hook before a request`()
            throws
        {
            try withFcctl { fcctl in
                let image = try fcctl.image(Self.script)
                let (gateway, url) = try fcctl.serve([
                    image, "--min", "0", "--max", "3", "--before-snapshot", "/cgi-bin/told?before",
                    "--after-restore", "/cgi-bin/told?after",
                ])
                try fcctl.untilCloned(3)
                // Each keeps its machine busy, so that no two of them are answered by one.
                let asked = try (0..<3).map { _ in try HTTP.start(url + "/cgi-bin/draw") }
                let answers = try asked.map { try HTTP.answer(of: $0) }
                #expect(answers.allSatisfy { $0.status == 200 }, "\(answers)")
                #expect(Set(answers.map { $0.headers["x-instance-id"] }).count == 3, "\(answers)")
                #expect(try HTTP.get(url + "/api/status").json(Status.self).starts["snapshot"]?.count == 3)

                var seen: [Set<Substring>] = Array(repeating: [], count: 5)
                for answer in answers {
                    let lines = answer.body.split(separator: "\n")
                    try #require(lines.count == 4, "\(answer)")
                    let (before, after) = (lines[2].split(separator: " "), lines[3].split(separator: " "))
                    try #require(before.count == 6 && after.count == 6, "\(answer)")
                    #expect(before[...1] == ["before", "POST"] && after[...1] == ["after", "POST"])
                    // When the hook runs the clone is no longer its template, whose name may be free again.
                    for index in 3...4 { #expect(before[index] != after[index], "\(answer)") }
                    let age = WallClock.seconds() - (try #require(Int64(after[5])))
                    #expect((0...60).contains(age), "\(age) s")
                    for (index, value) in (after[2...4] + [lines[0], lines[1]]).enumerated() {
                        seen[index].insert(value)
                    }
                }
                #expect(seen[0].count == 3 && seen[1].count == 3 && seen[2].count == 3, "\(seen)")
                // What an app has drawn for itself is its own to renew; what the kernel draws is new.
                #expect(seen[3].count == 1 && seen[4].count == 3, "\(seen)")
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }
    }
}
