import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@Suite struct FilesTests {
    @Test func `an atomic write replaces the whole file and leaves no temporary one`() throws {
        try withScratch { folder in
            let path = folder.appending("record.json")
            try AtomicFile.write(Array("old and long".utf8), to: path)
            try AtomicFile.write(Array("new".utf8), to: path)
            #expect(try Files.read(path) == Array("new".utf8))
            #expect(try Files.list(folder) == ["record.json"])
        }
    }

    @Test func `removing a tree does not follow links`() throws {
        try withScratch { folder in
            let kept = folder.appending("kept")
            try Files.makeDirectory(kept)
            try AtomicFile.write([1], to: kept.appending("file"))
            try Files.makeDirectory(folder.appending("gone"))
            #expect(symlink(kept.string, folder.appending("gone/link").string) == 0)
            try Files.removeTree(folder.appending("gone"))
            #expect(try Files.list(folder) == ["kept"])
            #expect(try Files.list(kept) == ["file"])
        }
    }

    @Test func `a held lock is refused to a second holder until it is dropped`() throws {
        try withScratch { folder in
            let path = folder.appending("lock")
            do {
                let first = try FileLock(waitingFor: path)
                first.note("held")
                let second = try FileLock.tryLock(path)
                let refused = second == nil
                #expect(refused)
                _ = consume first
            }
            let third = try FileLock.tryLock(path)
            let granted = third != nil
            #expect(granted)
        }
    }

    @Test func `the hash of a file is the well-known one`() throws {
        try withScratch { folder in
            let path = folder.appending("abc")
            try AtomicFile.write(Array("abc".utf8), to: path)
            #expect(
                try SHA256.hash(file: path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        }
    }

    @Test(arguments: [("256", 256), ("256M", 256), ("1G", 1024), ("2GiB", 2048), ("1048576k", 1024)])
    func `memory sizes read the units users write`(_ text: String, _ mebibytes: UInt64) {
        #expect(MemorySize(text)?.mebibytes == mebibytes)
    }

    @Test(arguments: ["", "0", "-1", "1.5G", "M", "12X", "99999999999999T"])
    func `malformed memory sizes are refused`(_ text: String) {
        #expect(MemorySize(text) == nil)
    }
}
