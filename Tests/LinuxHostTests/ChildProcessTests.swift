import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@Suite struct ChildProcessTests {
    private func shell(_ script: String) -> ChildProcess {
        var child = ChildProcess(executable: "/bin/sh", arguments: ["-c", script])
        child.environment = ["PATH": "/usr/bin:/bin"]
        return child
    }

    @Test func `the end of a child is awaited with its status`() async throws {
        let exit = try ProcessExit.watch(try shell("exit 7").spawn())
        await exit.wait()
        #expect(exit.status == .exited(7))
        #expect(exit.hasEnded)
        #expect(ProcessIdentity.startTime(of: exit.pid) == nil, "a zombie is left")
    }

    @Test func `many children are watched at once, and a kill shows as its signal`() async throws {
        let exits = try (0..<50).map { _ in try ProcessExit.watch(try shell("exec sleep 60").spawn()) }
        for exit in exits { exit.kill() }
        for exit in exits {
            await exit.waitUncancelled()
            #expect(exit.status == .signalled(SIGKILL))
        }
    }

    @Test func `a cancelled wait returns while the child runs on`() async throws {
        let exit = try ProcessExit.watch(try shell("exec sleep 60").spawn())
        let waiting = Task { await exit.wait() }
        waiting.cancel()
        await waiting.value
        #expect(!exit.hasEnded)
        exit.kill()
        await exit.waitUncancelled()
    }

    @Test func `a program that cannot be started is named with the step and the reason`() {
        let error = #expect(throws: HostError.self) {
            _ = try ChildProcess(executable: "/no/such/program", arguments: []).spawn()
        }
        #expect(error?.description == "execute, starting /no/such/program: No such file or directory")
    }

    @Test func `a child has its listed descriptors from 3 on and no others`() throws {
        try withScratch { folder in
            let leaked = open("/dev/null", O_RDONLY)  // without close-on-exec
            defer { close(leaked) }
            let output = try Files.open(folder.appending("out"), O_RDWR | O_CREAT)
            // Crossed on purpose: each sits where the other has to go.
            let first = try Files.open(folder.appending("first"), O_RDWR | O_CREAT)
            let second = try Files.open(folder.appending("second"), O_RDWR | O_CREAT)
            var child = shell("ls -l /proc/$$/fd >&1; readlink /proc/$$/fd/3 /proc/$$/fd/4")
            child.descriptors = [second.rawValue, first.rawValue]
            child.standardOutput = output.rawValue
            let process = try child.spawn()
            #expect(try process.wait(milliseconds: 10_000))
            #expect(process.reap() == .exited(0))
            let text = String(decoding: try Files.read(folder.appending("out")), as: UTF8.self)
            #expect(text.hasSuffix("\(folder.appending("second"))\n\(folder.appending("first"))\n"))
            #expect(text.split(separator: "\n").filter { $0.contains(" -> ") }.count == 5, "\(text)")
        }
    }

    @Test func `a child starts in a session of its own with default signals and without core dumps`() throws {
        var blocked = sigset_t()
        sigemptyset(&blocked)
        sigaddset(&blocked, SIGUSR1)
        pthread_sigmask(SIG_BLOCK, &blocked, nil)
        signal(SIGPIPE, SIG_IGN)
        defer {
            pthread_sigmask(SIG_UNBLOCK, &blocked, nil)
            signal(SIGPIPE, SIG_DFL)
        }
        // Without a shell, which blocks signals at times itself.
        let status = try CommandOutput.of("/bin/cat", ["/proc/self/status"]).text
        #expect(status.contains("\nSigBlk:\t0000000000000000\n"))
        // Only SIGXFSZ is ignored, so that a full log is an error of the write.
        #expect(status.contains("\nSigIgn:\t0000000001000000\n"))
        let limits = try CommandOutput.of("/bin/sh", ["-c", "ulimit -c"])
        #expect(limits.text == "0\n")
        let fields = try CommandOutput.of("/bin/cat", ["/proc/self/stat"]).text.split(separator: " ")
        #expect(fields[0] == fields[4] && fields[0] == fields[5], "pid, process group and session are the same")
    }

    @Test func `a file of a child does not grow past its limit, and the child survives`() throws {
        try withScratch { folder in
            let output = try Files.open(folder.appending("log"), O_WRONLY | O_CREAT | O_APPEND)
            var child = shell("head -c 100000 /dev/zero; exit 5")
            child.standardOutput = output.rawValue
            child.fileSize = 4096
            let process = try child.spawn()
            #expect(try process.wait(milliseconds: 10_000))
            #expect(process.reap() == .exited(5))
            #expect(try Files.read(folder.appending("log")).count == 4096)
        }
    }

    @Test func `a program that does not end in time is killed`() throws {
        let output = try CommandOutput.of("/bin/sleep", ["60"], seconds: 1)
        #expect(output.status == .signalled(SIGKILL))
    }

    @Test func `a process is found again only with the same start time`() throws {
        let own = try #require(ProcessIdentity.startTime(of: getpid()))
        let same = try Pidfd.find(getpid(), startTime: own) != nil
        let other = try Pidfd.find(getpid(), startTime: own + 1) != nil
        #expect(same && !other)
    }

    @Test func `a command name with parentheses does not shift the start time`() {
        let tail = (3...30).map(String.init).joined(separator: " ")
        #expect(ProcessIdentity.startTime(inStat: "42 (a) b (c)) \(tail)") == 22)
        #expect(ProcessIdentity.startTime(inStat: "42 (short) 1 2") == nil)
        #expect(ProcessIdentity.startTime(inStat: "") == nil)
    }
}
