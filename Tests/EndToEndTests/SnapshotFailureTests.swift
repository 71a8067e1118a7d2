import Glibc
import LinuxHost
import SystemPackage
import Testing

/// What goes wrong with a snapshot that was good when the service began to use it.
private enum Failure: String, CaseIterable, CustomTestStringConvertible {
    case refused = "the VMM refuses to load"
    case dead = "wakes up dead"
    case silent = "fails its after-restore hook"

    var testDescription: String { rawValue }
    /// What the note about it says.
    var reason: String {
        switch self {
        case .refused: "load the snapshot"
        case .dead: ""
        case .silent: "after the restore with 404"
        }
    }
}

extension EndToEnd {
    @Suite(
        .enabled(
            if: Repository.hasFirecracker && Files.exists("/dev/kvm"),
            "needs /dev/kvm, scripts/fetch-firecracker and the probe guest (make -C Tests/Guests/probe)"))
    struct SnapshotFailureTests {
        @Test(arguments: Failure.allCases)
        private func `a request that meets a snapshot which is served by a boot; it is never tried again and made anew`(
            _ failure: Failure
        ) throws {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                // The probe's hook is content until then.
                let end = WallClock.seconds() + (failure == .silent ? 15 : 3600)
                let (gateway, url) = try fcctl.serve(
                    [
                        "demo", "--min", "0", "--max", "2", "--standby", "0", "--after-restore",
                        "/until/\(end)000000000",
                    ] + FirecrackerTests.options)
                let id = try fcctl.untilRestoring(url)
                let files = fcctl.state.appending("snapshots").appending(id)
                switch failure {
                case .refused: try overwrite(files.appending("state"), from: 64)
                // Where the probe's code is.
                case .dead: try overwrite(files.appending("mem"), from: 16 << 20)
                case .silent: try fcctl.until("its time has come") { WallClock.seconds() > end }
                }

                let answer = try HTTP.get(url + "/")
                #expect(answer.status == 200, "\(answer)")
                #expect(answer.headers["x-start-type"] == "booted", "\(answer)")
                let notes = try fcctl.snapshots().filter { $0.state == "quarantined" }
                #expect(
                    notes.count == 1 && notes.allSatisfy { $0.reason?.contains(failure.reason) == true }, "\(notes)")
                let status = try HTTP.get(url + "/api/status").json(Status.self)
                #expect(status.starts["cold"]?.count == 1 && status.starts["snapshot"]?.count == 0, "\(status)")
                if failure != .silent {
                    #expect(try fcctl.untilRestoring(url) == id)
                    // The next machine is its clone.
                    kill(try #require(try fcctl.report(answer.headers["x-instance-id"] ?? "").pid), SIGKILL)
                    try fcctl.until("a clone serves") {
                        try HTTP.get(url + "/").headers["x-start-type"] == "restored"
                            || HTTP.get(url + "/api/status").json(Status.self).starts["snapshot"]?.count == 1
                    }
                    #expect(try fcctl.snapshots().count { $0.state == "quarantined" } == 1)
                }
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        /// Changes a file under those who have it mapped, as nobody but root could.
        private func overwrite(_ path: FilePath, from offset: Int) throws {
            let file = try Files.open(path, O_RDWR)
            let noise = [UInt8](repeating: 0xee, count: 8192)
            let count = noise.withUnsafeBytes { pwrite(file.rawValue, $0.baseAddress, $0.count, off_t(offset)) }
            #expect(count == noise.count)
        }

        @Test func `a template that fails its hooks is said once, and the service goes on by cold boots`() throws {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                let (gateway, url) = try fcctl.serve(
                    ["demo", "--after-restore", "/no-such-hook", "--max", "2"] + FirecrackerTests.options)
                let line = try gateway.line(with: "no snapshot was made")
                #expect(line.contains("/no-such-hook after the restore with 404"), "\(line)")
                for _ in 0..<2 {
                    let answer = try HTTP.get(url + "/")
                    #expect(answer.status == 200, "\(answer)")
                    kill(try #require(try fcctl.report(answer.headers["x-instance-id"] ?? "").pid), SIGKILL)
                    try fcctl.until("another machine serves") { try HTTP.get(url + "/").status == 200 }
                }
                #expect(try HTTP.get(url + "/api/status").json(Status.self).starts["snapshot"]?.count == 0)
                #expect(try fcctl.snapshots().isEmpty)
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(
                    gateway.stderr.split(separator: "\n").count { $0.contains("no snapshot") } == 1, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        @Test func `a disk without room for a snapshot is named with the room it takes, and serving goes on`() throws {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                let state = fcctl.scratch.appending("small")
                try Files.makeDirectory(state)
                try Fcctl.tool("mount", ["-t", "tmpfs", "-o", "size=48m", "tmpfs", state.string])
                fcctl.atEnd { try Fcctl.tool("umount", [state.string]) }
                let own = ["--state-dir", state.string]
                let (gateway, url) = try fcctl.serve(["demo"] + own + FirecrackerTests.options)
                let line = try gateway.line(with: "no snapshot was made")
                #expect(line.contains("takes up to 144 MiB in \(state)/snapshots, where "), "\(line)")
                #expect(line.contains("MiB are free; free some space"), "\(line)")
                #expect(try HTTP.get(url + "/").status == 200)
                #expect(try Files.list(state.appending("snapshots")) == [])

                try Fcctl.tool("mount", ["-o", "remount,size=400m", state.string])
                try fcctl.until("the snapshot is made after all") {
                    try fcctl.succeed(["snapshot", "ls", "--quiet"] + own) != ""
                }
                #expect(try HTTP.get(url + "/").status == 200)
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(try Files.list(state.appending("vms")) == [])
            }
        }
    }
}
