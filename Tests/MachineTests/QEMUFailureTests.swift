import Glibc
import LinuxHost
import QEMU
import SystemPackage
import Testing
import VMM

// What can go wrong with a machine under QEMU.
extension QEMUTests {
    @Test func `a launch that fails leaves nothing and says why`() async throws {
        try await MachineBench.with { bench in
            try await withTicking(bench) { monitor, good in
                var missing = good
                missing.kernel = "/no/such/kernel"
                try await expectFailure(monitor, missing, bench, "open /no/such/kernel: No such file or directory")
                var strange = good
                strange.kernel = bench.directory.appending("init.cpio")
                try await expectFailure(monitor, strange, bench, "qemu ended unexpectedly")
                var huge = good
                huge.memory = .mebibytes(1 << 30)
                try await expectFailure(monitor, huge, bench, "qemu ended unexpectedly")
                var unnamed = good
                unnamed.id = "../x"
                await #expect(throws: VMMError.self) { _ = try await monitor.launch(unnamed) }
            }
        }
    }

    @Test func `a kernel that only root may read boots too`() async throws {
        try await MachineBench.with { bench in
            try await withTicking(bench) { monitor, configuration in
                var configuration = configuration
                let copy = bench.directory.appending("private-kernel")
                try AtomicFile.write(try Files.read(configuration.kernel, limit: 1 << 30), to: copy, mode: 0o600)
                configuration.kernel = copy
                let machine = try await monitor.launch(configuration)
                let console = MachineFiles(configuration.directory).console
                #expect(await eventually { MachineFiles.tail(console).contains("guest ready") })
                await machine.destroy()
            }
        }
    }

    @Test func `a cancelled launch leaves nothing`() async throws {
        try await MachineBench.with { bench in
            try await withTicking(bench) { monitor, configuration in
                for delay in [0, 5, 20, 60] {
                    let launching = Task { try await monitor.launch(configuration) }
                    try await Task.sleep(for: .milliseconds(delay))
                    launching.cancel()
                    if let machine = try? await launching.value { await machine.destroy() }
                    try expectNothingLeft(bench, configuration, pid: nil)
                }
            }
        }
    }

    @Test func `an id that is in use is refused and its machine goes on`() async throws {
        try await MachineBench.with { bench in
            try await withTicking(bench) { monitor, configuration in
                let machine = try await monitor.launch(configuration)
                await #expect(throws: VMMError.self) { _ = try await monitor.launch(configuration) }
                #expect(try await machine.isPaused() == false)
                await machine.destroy()
                try expectNothingLeft(bench, configuration, pid: machine.process.pid)
            }
        }
    }

    @Test func `a VMM that is stopped by a signal is unreachable in time and can be destroyed`() async throws {
        try await MachineBench.with { bench in
            try await withTicking(bench) { monitor, configuration in
                let machine = try await monitor.launch(configuration)
                kill(machine.process.pid, SIGSTOP)
                do {
                    try await machine.pause()
                    Issue.record("paused")
                } catch { #expect("\(error)".contains("no answer in time")) }
                await machine.destroy()
                try expectNothingLeft(bench, configuration, pid: machine.process.pid)
            }
        }
    }
}
