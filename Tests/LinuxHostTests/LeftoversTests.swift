import SystemPackage
import TestSupport
import Testing

@testable import LinuxHost

struct LeftoversTests {
    @Test func `temporary files of dead writers go, those of living ones and all others stay`() throws {
        try withScratch { folder in
            let pid = ProcessIdentity.current.pid
            let dead = [".a.cpio.4194000.4000000000.tmp", ".kernel-6.1.4194000.tmp"]
            let kept = [
                ".a.cpio.\(pid).4000000000.tmp", ".b.1.\(pid).tmp", ".d.tmp", ".e.f.tmp", ".4194000.txt",
                "4194000.1.tmp",
            ]
            for name in dead + kept { try AtomicFile.write([1], to: folder.appending(name)) }
            try Leftovers.remove(in: folder)
            #expect(try Files.list(folder) == kept.sorted())
        }
    }

    @Test func `a name's writer is its pid, with or without a random number behind it`() {
        #expect(Leftovers.writer(of: ".metadata.json.12.4000000000.tmp") == 12)
        #expect(Leftovers.writer(of: ".linux-6.1.99.tmp") == 99)
        #expect(Leftovers.writer(of: ".metadata.json.x.4000000000.tmp") == nil)
        #expect(Leftovers.writer(of: ".x.tmp") == nil)
        #expect(Leftovers.writer(of: "x.12.tmp") == nil)
    }
}
