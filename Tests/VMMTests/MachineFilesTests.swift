import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing
import VMM

@Suite struct MachineFilesTests {
    @Test func `the tail of a log is its last lines as one, without control characters`() throws {
        try withScratch { folder in
            let path = folder.appending("log")
            let long = String(repeating: "x", count: 5000)
            try AtomicFile.write(Array("\(long)\nfirst\u{1b}[31m\nlast\n".utf8), to: path)
            let tail = MachineFiles.tail(path, limit: 40)
            #expect(tail.hasSuffix("first[31m; last"))
            #expect(tail.utf8.count <= 42)
            #expect(MachineFiles.tail(folder.appending("missing")) == "")
        }
    }

    @Test func `a log does not follow a link that somebody put in its place`() throws {
        try withScratch { folder in
            let target = folder.appending("target")
            try AtomicFile.write(Array("precious".utf8), to: target)
            let files = MachineFiles(folder)
            #expect(symlink(target.string, files.console.string) == 0)
            #expect(throws: HostError.self) { _ = try MachineFiles.openLog(files.console) }
            #expect(try Files.read(target) == Array("precious".utf8))
        }
    }

    @Test func `the size limit leaves room for the scratch disk`() throws {
        try withScratch { folder in
            let disk = folder.appending("disk")
            try AtomicFile.write([], to: disk)
            #expect(truncate(disk.string, 1 << 30) == 0)
            #expect(MachineFiles.sizeLimit(scratchDisk: disk) == 1 << 30)
            #expect(MachineFiles.sizeLimit(scratchDisk: nil) == 16 << 20)
        }
    }
}
