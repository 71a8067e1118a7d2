import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@Suite struct TrustedFolderTests {
    @Test func `a private folder is trusted, one that others may write to is not, nor is what is below it`() throws {
        try withScratch { folder in
            let below = folder.appending("open/below")
            try Files.makeDirectory(below)
            try TrustedFolder.verify(below)
            #expect(chmod(folder.appending("open").string, 0o777) == 0)
            for path in [below, folder.appending("open")] {
                let error = #expect(throws: HostError.self) { try TrustedFolder.verify(path) }
                #expect(error?.errno == .permissionDenied)
                #expect(error?.subject == folder.appending("open").string)
            }
            #expect(chmod(folder.appending("open").string, 0o1777) == 0)
            try TrustedFolder.verify(below)
            #expect(throws: HostError.self) { try TrustedFolder.verify(folder.appending("open")) }
        }
    }

    @Test func `a link leads to the folder that counts`() throws {
        try withScratch { folder in
            try Files.makeDirectory(folder.appending("open"))
            #expect(chmod(folder.appending("open").string, 0o777) == 0)
            #expect(symlink(folder.appending("open").string, folder.appending("link").string) == 0)
            #expect(throws: HostError.self) { try TrustedFolder.verify(folder.appending("link")) }
            #expect(throws: HostError.self) { try TrustedFolder.verify(folder.appending("missing")) }
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root to give a folder away"))
    func `a folder of another user is not trusted`() throws {
        try withScratch { folder in
            #expect(chown(folder.string, 34_567, 34_567) == 0)
            #expect(throws: HostError.self) { try TrustedFolder.verify(folder) }
        }
    }
}
