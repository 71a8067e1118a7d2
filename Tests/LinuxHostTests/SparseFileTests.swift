import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

struct SparseFileTests {
    @Test func `a copy has the same bytes and leaves holes and zeros out`() throws {
        try withScratch { folder in
            let (source, target) = (folder.appending("a"), folder.appending("b"))
            let file = try Files.open(source, O_RDWR | O_CREAT)
            #expect(ftruncate(file.rawValue, 10_000_001) == 0)
            for (offset, count) in [(0, 10), (4_100_000, 5000), (10_000_000, 1)] {
                let bytes = [UInt8](repeating: 9, count: count)
                #expect(pwrite(file.rawValue, bytes, count, off_t(offset)) == count)
            }
            // Zeros that were written take space in the source.
            #expect(pwrite(file.rawValue, [UInt8](repeating: 0, count: 1 << 20), 1 << 20, 1 << 20) == 1 << 20)
            try SparseFile.copy(source, to: target)
            #expect(try SHA256.hash(file: source) == SHA256.hash(file: target))
            var status = stat()
            #expect(stat(target.string, &status) == 0)
            #expect(status.st_blocks * 512 <= 5 * 4096, "\(status.st_blocks) blocks")
            #expect(throws: HostError.self) { try SparseFile.copy(source, to: target) }
            #expect(throws: HostError.self) { try SparseFile.copy(source, to: "/dev/full/x") }
        }
    }

    @Test func `a full disk is an error and leaves no copy`() throws {
        try withScratch { folder in
            let source = folder.appending("a")
            try AtomicFile.write([UInt8](repeating: 1, count: 1 << 20), to: source)
            let file = try Files.open(source)
            let full = try Files.open("/dev/full", O_WRONLY)
            #expect(throws: HostError.self) { try SparseFile.copy(file, to: full, name: "the copy") }
        }
    }

    @Test func `a sealed file in memory cannot be changed by anybody`() throws {
        let file = try MemoryFile.make(named: "test")
        #expect(write(file.rawValue, "abc", 3) == 3)
        try MemoryFile.seal(file, name: "test")
        let again = try Files.open(FilePath("/proc/self/fd/\(file.rawValue)"), O_RDWR)
        #expect(pwrite(again.rawValue, "x", 1, 0) == -1)
        #expect(ftruncate(again.rawValue, 0) == -1)
        let shared = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, again.rawValue, 0)
        #expect(shared == MAP_FAILED)
        let own = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, again.rawValue, 0)
        #expect(own != MAP_FAILED)
        munmap(own, 4096)
    }
}
