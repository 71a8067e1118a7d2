import Glibc
import LinuxHost
import SystemPackage
import Testing

extension EndToEnd {
    @Suite(
        .enabled(
            if: Repository.hasFirecracker && Files.exists("/dev/kvm"),
            "needs /dev/kvm, scripts/fetch-firecracker and the probe guest (make -C Tests/Guests/probe)"))
    struct SnapshotCrashTests {
        @Test(arguments: CrashPoint.allCases.drop { $0 != .templateWarm }.prefix { $0 != .templateMemory })
        func `a command that is killed while it makes or uses a template leaves all of it or nothing`(
            _ point: CrashPoint
        ) throws {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                let bench = try fcctl.start(
                    ["bench", "demo", "0", "0", "2"] + FirecrackerTests.options,
                    environment: ["FCCTL_CRASH_AT": point.rawValue])
                #expect(try bench.wait() == 128 + SIGKILL, "\(bench.story)")
                try fcctl.expectWholeOrNothing()
            }
        }

        /// The first clone of a template is its canary; of a template that is there already, the first of the supply.
        @Test(arguments: [
            "template-warm", "template-written", "template-described", "template-published", "clone-recorded*2",
            "clone-prepared*2", "clone-prepared*3",
        ])
        func `a gateway that is killed while it makes its template or refills its clones leaves all of it or nothing`(
            _ point: String
        ) throws {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                let gateway = try fcctl.start(
                    ["serve", "demo", "--port", "0"] + FirecrackerTests.options, environment: ["FCCTL_CRASH_AT": point])
                #expect(try gateway.wait() == 128 + SIGKILL, "\(gateway.story)")
                try fcctl.expectWholeOrNothing()
            }
        }

        @Test(arguments: ["clone-recorded", "clone-prepared", "clone-restored", "clone-renewed", "clone-restored*2"])
        func `a gateway that is killed while it restores a clone leaves the template and nothing else`(
            _ point: String
        ) throws {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                try fcctl.succeed(["bench", "demo", "0", "0", "1"] + FirecrackerTests.options)
                let template = try #require(try fcctl.snapshots().first)
                let gateway = try fcctl.start(
                    ["serve", "demo", "--port", "0", "--min", "2"] + FirecrackerTests.options,
                    environment: ["FCCTL_CRASH_AT": point])
                #expect(try gateway.wait() == 128 + SIGKILL, "\(gateway.story)")
                #expect(try fcctl.snapshots().map(\.id) == [template.id])
                try fcctl.expectWholeOrNothing()
            }
        }

        @Test func `two gateways that want one template make it once; when its maker is killed the other one does`()
            throws
        {
            try withFcctl(kernel: false) { fcctl in
                fcctl.environment.merge(FirecrackerTests.environment) { $1 }
                let maker = try fcctl.start(
                    ["serve", "demo", "--port", "0", "--name", "maker"] + FirecrackerTests.options)
                let folder = fcctl.state.appending("snapshots")
                try fcctl.until("the template is being made") {
                    try Files.list(folder).contains { $0.hasPrefix(".draft-") }
                }
                try stop(maker, holdingNothingOf: fcctl)
                let (other, url) = try fcctl.serve(["demo", "--name", "other"] + FirecrackerTests.options)
                // It waits, and serves meanwhile.
                #expect(try HTTP.get(url + "/").headers["x-start-type"] != "restored")
                #expect(try fcctl.snapshots().isEmpty)
                #expect(try Files.list(folder).count == 1)
                try fcctl.kill(maker)
                let id = try fcctl.untilCloned()
                let manifest = try Files.read(folder.appending(id).appending("manifest.json"))

                // A third one finds it.
                let (third, again) = try fcctl.serve(["demo", "--name", "third"] + FirecrackerTests.options)
                try fcctl.until("a machine is there") {
                    try HTTP.get(again + "/api/status").json(Status.self).instances["idle"] == 1
                }
                #expect(try HTTP.get(again + "/api/status").json(Status.self).starts["snapshot"]?.count == 1)
                #expect(try Files.read(folder.appending(id).appending("manifest.json")) == manifest)
                for gateway in [other, third] {
                    try gateway.signal(SIGTERM)
                    #expect(try gateway.wait() == 0, "\(gateway.story)")
                }
                try fcctl.expectWholeOrNothing()
            }
        }

        /// Whoever stands still with one of the short locks in hand holds everybody up, which is not what is tested.
        private func stop(_ gateway: Program, holdingNothingOf fcctl: Fcctl) throws {
            let locks = [fcctl.state.appending("locks/records.lock"), "/run/fcctl/network.lock"]
            var isStopped = false
            try fcctl.until("the gateway stands still and holds no lock") {
                if isStopped, try locks.allSatisfy({ try FileLock.tryLock($0) != nil }) { return true }
                try gateway.signal(isStopped ? SIGCONT : SIGSTOP)
                isStopped.toggle()
                return false
            }
        }
    }
}

extension Fcctl {
    /// After a kill: every snapshot is whole and nobody's, and of machines and drafts there is nothing.
    func expectWholeOrNothing() throws {
        observe()
        #expect(try list().isEmpty)
        for snapshot in try snapshots() {
            #expect(snapshot.state == "ready" && snapshot.clones == 0, "\(snapshot)")
            try succeed(["snapshot", "verify", snapshot.id])
            try succeed(["snapshot", "rm", snapshot.id])
        }
        #expect(try Files.list(state.appending("snapshots")) == [])
        #expect(leaks() == [])
    }
}
