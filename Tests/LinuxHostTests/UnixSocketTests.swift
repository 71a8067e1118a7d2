import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@Suite struct UnixSocketTests {
    @Test func `a socket works at a path that is longer than the kernel's limit`() throws {
        try withScratch { folder in
            var deep = folder
            for _ in 0..<5 { deep.append(String(repeating: "d", count: 40)) }
            try Files.makeDirectory(deep)
            let path = deep.appending("vmm.sock")
            let listener = try UnixSocket.listen(path)
            let client = try UnixSocket.connect(path)
            let accepted = accept(listener.rawValue, nil, nil)
            #expect(accepted >= 0)
            close(accepted)
            _ = consume client
            var status = stat()
            #expect(stat(path.string, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
        }
    }

    @Test func `a stale socket is replaced, and one without a listener refuses`() throws {
        try withScratch { folder in
            let path = folder.appending("s")
            do { _ = try UnixSocket.listen(path) }
            let refused = #expect(throws: HostError.self) { _ = try UnixSocket.connect(path) }
            #expect(refused?.errno == .connectionRefused)
            let listener = try UnixSocket.listen(path)
            _ = try UnixSocket.connect(path)
            _ = consume listener
        }
    }

    @Test func `waiting for a socket ends when its maker ends, and in time`() throws {
        try withScratch { folder in
            let path = folder.appending("never")
            var child = ChildProcess(executable: "/bin/sleep", arguments: ["0.2"])
            child.environment = [:]
            let brief = try ProcessExit.watch(try child.spawn())
            let gone = #expect(throws: HostError.self) {
                _ = try UnixSocket.connect(path, madeBy: brief, milliseconds: 10_000)
            }
            #expect(gone?.errno == .noSuchProcess)
            child.arguments = ["60"]
            let long = try ProcessExit.watch(try child.spawn())
            defer { long.kill() }
            let late = #expect(throws: HostError.self) {
                _ = try UnixSocket.connect(path, madeBy: long, milliseconds: 50)
            }
            #expect(late?.errno == .timedOut)
        }
    }
}
