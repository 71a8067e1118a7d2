import Glibc
import LinuxHost
import Machines
import SystemPackage
import TestSupport
import Testing
import VMM

@testable import Firecracker

@Suite(
    .enabled(if: Host.isRoot, "needs root for network namespaces and the jailer"),
    .enabled(if: Files.exists("/dev/kvm"), "needs /dev/kvm"),
    .enabled(if: firecracker != nil, "needs Firecracker: scripts/fetch-firecracker"),
    .enabled(if: Files.exists("/usr/bin/strace"), "needs strace"),
    .enabled(if: CloneBench.hasProbe, "needs the probe guest: make -C Tests/Guests/probe"))
struct RestoreTraceTests {
    @Test func `a restore makes no process, writes no file and does not sleep`() async throws {
        try await CloneBench.with(.firecracker) { bench in
            let snapshot = try await bench.capture().run()
            // Threads and connections that only the first restore makes.
            try await bench.prepare(snapshot).restore().machine.destroy()
            let clone = try await bench.prepare(snapshot)
            let trace = bench.state.root.appending("trace")
            let tracer = try spawn([
                "/usr/bin/strace", "-f", "-qq", "-o", trace.string, "-e",
                "trace=clone,clone3,fork,vfork,execve,execveat,open,openat,openat2,creat,rename,renameat2,link,linkat,nanosleep,clock_nanosleep",
                "-p", "\(getpid())",
            ])
            let isTraced = await eventually { (try? Host.status("self", "TracerPid")) != "0" }
            #expect(isTraced)
            let (machine, _) = try await clone.restore()
            let answer = try GuestRequest.send(to: machine.slot, port: bench.port)
            // It inherited blocked signals; killed, it lets go of us all the same.
            kill(tracer, SIGKILL)
            waitpid(tracer, nil, 0)
            #expect(answer.status == 200)
            let text = String(decoding: try Files.read(trace), as: UTF8.self)
            print("trace of a restore:\n\(text)")
            let calls = text.split(separator: "\n").filter { line in
                // A new thread of ours is no process; files of /proc are read, for a look at the tracer.
                !line.contains("CLONE_THREAD") && !(line.contains("open") && line.contains("O_RDONLY"))
                    && !line.contains("resumed>")
            }
            #expect(calls == [])
            await machine.destroy()
        }
    }
}
