import Glibc
import GuestBoot
import LinuxHost
import Logging
import QEMU
import SystemPackage
import TestSupport
import Testing
import VMM

@Suite(
    .enabled(if: Host.isRoot, "needs root for network namespaces"),
    .enabled(if: qemu != nil, "needs qemu-system-x86_64"),
    .enabled(if: Host.guestKernel != nil, "needs a guest kernel: FCCTL_KERNEL, the net or apt"))
struct QEMUTests {
    @Test func `a guest boots, stops while paused, continues and leaves nothing behind`() async throws {
        try await MachineBench.with { bench in
            try await withTicking(bench) { monitor, configuration in
                let began = ContinuousClock.now
                let machine = try await monitor.launch(configuration)
                print("qemu: launch \(began.duration(to: .now))")
                let console = MachineFiles(configuration.directory).console
                #expect(await eventually { MachineFiles.tail(console).contains("tick 3") })
                print("qemu: guest ready \(began.duration(to: .now))")
                #expect(try await machine.isPaused() == false)

                let pausing = ContinuousClock.now
                try await machine.pause()
                print("qemu: pause \(pausing.duration(to: .now))")
                #expect(try await machine.isPaused())
                let before = try Host.cpuTicks(of: machine.process.pid)
                let text = MachineFiles.tail(console)
                try await Task.sleep(for: .seconds(1))
                #expect(try Host.cpuTicks(of: machine.process.pid) - before <= 3)
                #expect(MachineFiles.tail(console) == text)

                let resuming = ContinuousClock.now
                try await machine.resume()
                print("qemu: resume \(resuming.duration(to: .now))")
                #expect(await eventually { MachineFiles.tail(console) != text })

                let pid = machine.process.pid
                let ending = ContinuousClock.now
                await machine.destroy()
                print("qemu: destroy \(ending.duration(to: .now))")
                try expectNothingLeft(bench, configuration, pid: pid)
                await machine.destroy()
            }
        }
    }

    @Test func `a machine runs confined: own user, no capabilities, filtered threads, known descriptors`() async throws
    {
        try await MachineBench.with { bench in
            try await withTicking(bench) { monitor, configuration in
                var configuration = configuration
                configuration.rootDisk = try bench.disk("root.img")
                configuration.scratchDisk = try bench.disk("scratch.img")
                let machine = try await monitor.launch(configuration)
                try expectConfined(machine.process.pid, bench, configuration)
                let links = try Files.list(FilePath("/proc/\(machine.process.pid)/fd"))
                let targets = links.map { name in
                    var buffer = [CChar](repeating: 0, count: 512)
                    readlink("/proc/\(machine.process.pid)/fd/\(name)", &buffer, 511)
                    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                }
                let ours = [bench.directory.string, "/dev/null", "/dev/net/tun", "socket:", "anon_inode:", "pipe:"]
                let strange = targets.filter { target in
                    !ours.contains { target.hasPrefix($0) } && target != configuration.kernel.string
                }
                #expect(strange == [])
                await machine.destroy()
            }
        }
    }

    @Test func `both disks are there, the first one read-only`() async throws {
        let script = """
            #!/bin/busybox sh
            /bin/busybox mkdir -p /sys /proc /dev; /bin/busybox mount -t sysfs s /sys; /bin/busybox mount -t devtmpfs d /dev
            for m in /modules/*; do /bin/busybox insmod $m 2>/dev/null; done
            for d in vda vdb; do echo "disk $d $(/bin/busybox cat /sys/block/$d/ro) $(/bin/busybox cat /sys/block/$d/size)"; done
            echo "end of list"
            while :; do /bin/busybox sleep 1; done
            """
        try await MachineBench.with { bench in
            try await withTicking(bench, script: script) { monitor, configuration in
                var configuration = configuration
                configuration.rootDisk = try bench.disk("root.img")
                configuration.scratchDisk = try bench.disk("scratch.img")
                chmod(try #require(configuration.rootDisk).string, 0o444)
                let machine = try await monitor.launch(configuration)
                let console = MachineFiles(configuration.directory).console
                #expect(await eventually { MachineFiles.tail(console).contains("end of list") })
                let text = MachineFiles.tail(console)
                #expect(text.contains("disk vda 1 32768") && text.contains("disk vdb 0 32768"), "\(text)")
                await machine.destroy()
            }
        }
    }

    @Test func `a killed VMM is noticed, and a sweep by name alone removes the rest`() async throws {
        try await MachineBench.with { bench in
            try await withTicking(bench) { monitor, configuration in
                let machine = try await monitor.launch(configuration)
                let waiting = Task { await machine.waitForExit() }
                let pid = machine.process.pid
                kill(pid, SIGKILL)
                let began = ContinuousClock.now
                await waiting.value
                print("qemu: death noticed after \(began.duration(to: .now))")
                await #expect(throws: VMMError.self) { try await machine.pause() }
                try await monitor.sweep(
                    id: configuration.id, directory: configuration.directory, cgroupParent: configuration.cgroupParent)
                try expectNothingLeft(bench, configuration, pid: pid)
                try await monitor.sweep(
                    id: configuration.id, directory: configuration.directory, cgroupParent: configuration.cgroupParent)
            }
        }
    }

    @Test func `a sweep ends a machine that runs`() async throws {
        try await MachineBench.with { bench in
            try await withTicking(bench) { monitor, configuration in
                let machine = try await monitor.launch(configuration)
                try await monitor.sweep(
                    id: configuration.id, directory: configuration.directory, cgroupParent: configuration.cgroupParent)
                await machine.waitForExit()
                try expectNothingLeft(bench, configuration, pid: machine.process.pid)
            }
        }
    }

    @Test func `another client takes control by the record, but not while the first one has it`() async throws {
        try await MachineBench.with { bench in
            try await withTicking(bench) { monitor, configuration in
                let first = try await monitor.launch(configuration)
                func attach(_ record: VMProcess) async throws(VMMError) -> any VirtualMachine {
                    try await monitor.attach(
                        to: record, id: configuration.id, directory: configuration.directory,
                        cgroupParent: configuration.cgroupParent)
                }
                do {
                    _ = try await attach(first.process)
                    Issue.record("two clients")
                } catch { #expect("\(error)".contains("another process controls it")) }
                await first.detach()
                let second = try await attach(first.process)
                try await second.pause()
                #expect(try await second.isPaused())
                let other = VMProcess(
                    kind: .qemu, pid: first.process.pid, startTime: first.process.startTime + 1,
                    socket: first.process.socket)
                do throws(VMMError) {
                    _ = try await attach(other)
                    Issue.record("a stranger's pid was taken")
                } catch { guard case .gone = error else { Issue.record(error); return } }
                await second.destroy()
                try expectNothingLeft(bench, configuration, pid: first.process.pid)
            }
        }
    }
}
