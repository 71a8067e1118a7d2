import Glibc
import LinuxHost
import SystemPackage
import Testing

extension EndToEnd {
    @Suite(.enabled(if: Files.exists("/bin/busybox"), "needs a static BusyBox (apt-get install busybox-static)"))
    struct AppFailureTests {
        struct Failure: Sendable, CustomStringConvertible {
            let description: String
            let script: String
            /// Words that the error must have.
            let words: [String]
        }

        static let failures = [
            Failure(
                description: "exits", script: "echo nothing to do; exit 3",
                words: ["before it was ready", "code 3", "  | nothing to do"]),
            Failure(
                description: "crashes", script: "echo about to crash >&2; kill -SEGV $$",
                words: ["before it was ready", "signal 11", "  | about to crash"]),
            Failure(
                description: "never listens", script: "echo thinking; sleep 1000",
                words: ["did not listen on port 3000 within 25 s", "listens on no other", "  | thinking"]),
            Failure(
                description: "listens on another port", script: "echo on 9000; httpd -f -p 9000",
                words: ["did not listen on port 3000", "but on 9000; use --app-port 9000", "  | on 9000"]),
            Failure(
                description: "listens on loopback only", script: "echo on loopback; httpd -f -p 127.0.0.1:3000",
                words: ["listens on 127.0.0.1 only, make it listen on 0.0.0.0", "  | on loopback"]),
            Failure(
                description: "cannot be executed", script: "exec /no/such/program",
                words: ["before it was ready", "127", "not found"]),
        ]

        @Test func `an app that fails gets an error that names why and shows its last lines`() throws {
            try withFcctl { fcctl in
                // Side by side, because three of them fail by being waited for.
                let runs = try AppFailureTests.failures.enumerated().map { index, failure in
                    let image = try fcctl.image(failure.script, name: "app-\(index)")
                    return try fcctl.start(["run", image, "--start-timeout", "25s"])
                }
                for (run, failure) in zip(runs, AppFailureTests.failures) {
                    #expect(try run.wait() == 69, "\(run.story)")
                    for word in failure.words {
                        #expect(run.stderr.contains(word), "no \(word.debugDescription): \(run.story)")
                    }
                    #expect(run.stdout == "")
                }
                #expect(try fcctl.list().isEmpty)
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `under serve a failing app is named in the gateway's words and the request is answered`() throws {
            try withFcctl { fcctl in
                let image = try fcctl.image("echo no configuration; exit 4")
                let (gateway, url) = try fcctl.serve([image, "--min", "0", "--queue-timeout", "20s"])
                let answer = try HTTP.get(url + "/")
                #expect([502, 503, 504].contains(answer.status), "\(answer)")
                let line = try gateway.line(with: "machine did not start")
                #expect(line.contains("before it was ready"))
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(gateway.stderr.contains("no configuration"), "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `a job's exit status is kept, and the app sees its stop signal`() throws {
            try withFcctl { fcctl in
                let job = try fcctl.image("echo done; exit 7", name: "job", port: nil)
                let run = try fcctl.run(["run", job, "--name", "job", "-q"])
                // Whether it had ended before it counted as started decides who tells of it.
                if run.status == .exited(0) {
                    try fcctl.until("the job has ended") { try fcctl.report("job").state == "stopped" }
                    #expect(try fcctl.report("job").exit?.contains("7") == true)
                    #expect(try fcctl.succeed(["logs", "job"]).contains("done"))
                } else {
                    #expect(run.status == .exited(69) && run.stderr.contains("7"), "\(run.story)")
                }
                let polite = try fcctl.image(
                    "trap 'echo got TERM; exit 0' TERM; httpd -p 3000; while :; do sleep 1; done", name: "polite")
                try fcctl.succeed(["run", polite, "--name", "polite", "-e", "APP_COLOR=red"])
                try fcctl.succeed(["stop", "polite"])
                #expect(try fcctl.succeed(["logs", "polite"]).contains("got TERM"))
            }
        }

        @Test func `what is no image is refused with its own exit status and leaves nothing`() throws {
            try withFcctl { fcctl in
                let broken = fcctl.scratch.appending("broken.tar")
                try AtomicFile.write(Array(repeating: 7, count: 5000), to: broken)
                let truncated = fcctl.scratch.appending("truncated.tar")
                let whole = try Files.read(FilePath(String(try fcctl.image("exit", name: "whole").dropFirst(15))))
                try AtomicFile.write(Array(whole.prefix(whole.count / 2)), to: truncated)
                let cases: [(String, Int32, String)] = [
                    (try fcctl.image(nil, name: "silent"), 65, "has neither Entrypoint nor Cmd"),
                    ("docker-archive:\(broken)", 65, "broken.tar"),
                    ("docker-archive:\(truncated)", 65, "truncated.tar"),
                    ("docker-archive:/no/such/file.tar", 66, "/no/such/file.tar"),
                    ("oci:/no/such/layout", 66, "/no/such/layout"),
                    ("no-such-image", 66, "no-such-image"), ("UPPER CASE", 65, "UPPER CASE"),
                ]
                for (image, code, words) in cases {
                    for command in [["run"], ["serve", "--port", "0"]] {
                        let refused = try fcctl.run(command + [image])
                        #expect(refused.status == .exited(code), "\(refused.story)")
                        #expect(refused.stderr.contains(words), "\(refused.story)")
                    }
                }
                #expect(try fcctl.list().isEmpty)
                #expect(fcctl.leaks() == [])
            }
        }
    }
}
