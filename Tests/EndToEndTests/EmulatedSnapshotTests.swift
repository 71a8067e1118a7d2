import Glibc
import LinuxHost
import SystemPackage
import Testing

// What differs under QEMU: the template's memory is a file of ours that is copied, and clones rehearse.
extension EndToEnd {
    @Suite struct EmulatedSnapshotTests {
        private static let options = ["--vmm", "qemu"]

        /// The first clone of a template is its canary.
        @Test(arguments: ["template-memory", "template-described", "clone-prepared*2", "clone-rehearsed"])
        func `a gateway that is killed while it makes its template or rehearses its clones leaves all of it or nothing`(
            _ point: String
        ) throws {
            try withFcctl { fcctl in
                let gateway = try fcctl.start(
                    ["serve", "demo", "--port", "0"] + Self.options, environment: ["FCCTL_CRASH_AT": point])
                #expect(try gateway.wait() == 128 + SIGKILL, "\(gateway.story)")
                try fcctl.expectWholeOrNothing()
            }
        }

        @Test func `a gateway that is killed as it wakes a clone leaves the template and nothing else`() throws {
            try withFcctl { fcctl in
                try fcctl.succeed(["bench", "demo", "0", "0", "1"] + Self.options)
                let template = try #require(try fcctl.snapshots().first)
                let gateway = try fcctl.start(
                    ["serve", "demo", "--port", "0"] + Self.options, environment: ["FCCTL_CRASH_AT": "clone-woken"])
                #expect(try gateway.wait() == 128 + SIGKILL, "\(gateway.story)")
                #expect(try fcctl.snapshots().map(\.id) == [template.id])
                try fcctl.expectWholeOrNothing()
            }
        }

        @Test(arguments: ["state", "mem"])
        func `a snapshot that goes bad under its service is met by a rehearsal and never by a request`(
            _ file: String
        ) throws {
            try withFcctl { fcctl in
                let (gateway, url) = try fcctl.serve(
                    ["demo", "--min", "1", "--max", "2", "--standby", "0"] + Self.options)
                // One machine and one clone that has rehearsed: none is being prepared.
                let id = try fcctl.untilRestoring(url)
                try overwrite(fcctl.state.appending("snapshots").appending(id).appending(file))
                // The clone is good; what takes its place is not.
                let first = try HTTP.get(url + "/")
                #expect(first.status == 200, "\(first)")
                kill(try #require(try fcctl.report(first.headers["x-instance-id"] ?? "").pid), SIGKILL)
                try fcctl.until("it is quarantined", within: 60) {
                    try fcctl.snapshots().contains { $0.state == "quarantined" && $0.id == id }
                }
                #expect(try HTTP.get(url + "/").status == 200)
                #expect(try fcctl.untilCloned() == id)
                let status = try HTTP.get(url + "/api/status").json(Status.self)
                #expect(status.starts["snapshot"]?.count ?? 0 >= 1, "\(status)")
                #expect(try fcctl.snapshots().count { $0.state == "quarantined" } == 1)
                try gateway.signal(SIGTERM)
                #expect(try gateway.wait() == 0, "\(gateway.story)")
                #expect(fcctl.leaks() == [])
            }
        }

        /// Changes a file as nobody but root could; most of what a guest has in memory is in the part that changes.
        private func overwrite(_ path: FilePath) throws {
            let file = try Files.open(path, O_RDWR)
            var status = stat()
            try #require(fstat(file.rawValue, &status) == 0)
            let noise = [UInt8](repeating: 0xee, count: Int(status.st_size) / 2)
            let count = noise.withUnsafeBytes { pwrite(file.rawValue, $0.baseAddress, $0.count, 64) }
            #expect(count == noise.count)
        }
    }
}
