import Glibc
import LinuxHost
import Machines
import Snapshots
import SystemPackage
import TestSupport
import Testing
import VMM

extension EmulatedCloneTests {
    @Test func `a disk that fills up while a template is written ends it with a sentence, and nothing stays`()
        async throws
    {
        try await CloneBench.with(.qemu, room: .mebibytes(192)) { bench in
            let filler = bench.state.root.appending("filler")
            // After the look at the room there is, and before the memory is written.
            let capture = bench.capture(first: { () throws(HostError) in
                let left = try DiskSpace.available(at: bench.state.root)
                let file = try Files.open(filler, O_WRONLY | O_CREAT)
                if posix_fallocate(file.rawValue, 0, off_t(left - (24 << 20))) != 0 {
                    throw HostError("fill", filler.string, .noSpace)
                }
            })
            let error = await #expect(throws: MachineError.self) { _ = try await capture.run() }
            let text = "\(error as Any)"
            #expect(text.contains("takes up to 144 MiB in \(bench.state.snapshots), where 0 MiB are free"), "\(text)")
            #expect(try Files.list(bench.state.snapshots) == [])
            #expect(try bench.starter.records.all().isEmpty)
            try Files.remove(filler)
            _ = try await bench.capture().run()
        }
    }
}
