import Glibc
import LinuxHost
import Logging
import SystemPackage
import TestSupport
import Testing
import VMM

@testable import Firecracker

@Suite(
    .enabled(if: Host.isRoot, "needs root for network namespaces and the jailer"),
    .enabled(if: Files.exists("/dev/kvm"), "needs /dev/kvm"),
    .enabled(if: firecracker != nil, "needs Firecracker: scripts/fetch-firecracker"),
    .enabled(if: Files.exists("/usr/bin/gcc"), "needs gcc for the test guest"))
struct FirecrackerTests {
    @Test(arguments: [true, false])
    func `a guest boots, stops while paused, continues and leaves nothing behind`(jailed: Bool) async throws {
        try await withSerialGuest(jailed: jailed) { bench, monitor, configuration in
            let began = ContinuousClock.now
            let machine = try await monitor.launch(configuration)
            print("firecracker (jailed \(jailed)): launch \(began.duration(to: .now))")
            let console = MachineFiles(configuration.directory).console
            #expect(await eventually { MachineFiles.tail(console).contains("tick 3") })
            print("firecracker: tick 3 \(began.duration(to: .now))")
            #expect(try await machine.isPaused() == false)

            let pausing = ContinuousClock.now
            try await machine.pause()
            print("firecracker: pause \(pausing.duration(to: .now))")
            #expect(try await machine.isPaused())
            let before = try Host.cpuTicks(of: machine.process.pid)
            let text = MachineFiles.tail(console)
            try await Task.sleep(for: .milliseconds(500))
            #expect(try Host.cpuTicks(of: machine.process.pid) - before <= 1)
            #expect(MachineFiles.tail(console) == text)

            let resuming = ContinuousClock.now
            try await machine.resume()
            print("firecracker: resume \(resuming.duration(to: .now))")
            #expect(await eventually { MachineFiles.tail(console) != text })

            let pid = machine.process.pid
            let ending = ContinuousClock.now
            await machine.destroy()
            print("firecracker: destroy \(ending.duration(to: .now))")
            try expectNothingLeft(bench, configuration, pid: pid)
            #expect(try jailContents(bench) == [])
            await machine.destroy()
        }
    }

    @Test func `a jailed machine runs confined: own user, no capabilities, filtered threads, an own root`() async throws
    {
        try await withSerialGuest { bench, monitor, configuration in
            var configuration = configuration
            configuration.rootDisk = try bench.disk("root.img")
            configuration.scratchDisk = try bench.disk("m1/scratch.img")
            let rootDisk = try #require(configuration.rootDisk)
            chmod(rootDisk.string, 0o444)
            let machine = try await monitor.launch(configuration)
            let pid = machine.process.pid
            try expectConfined(pid, bench, configuration)
            let root = try Files.list(FilePath("/proc/\(pid)/root"))
            #expect(
                root == [
                    "dev", "firecracker", "firecracker.pid", "kernel", "root.ext4", "run", "scratch.ext4", "vmm.log",
                    "vmm.sock",
                ], "\(root)")
            #expect(
                try Host.inode(rootDisk) == Host.inode(FilePath("/proc/\(pid)/root/root.ext4")), "copied, not linked")
            await machine.destroy()
        }
    }

    @Test func `files of another file system or that only root may read are copied into the jail`() async throws {
        try await withSerialGuest { bench, monitor, configuration in
            var configuration = configuration
            let away = FilePath("/dev/shm/fcctl-test-\(UInt64.random(in: .min ... .max))")
            try AtomicFile.write(try Files.read(configuration.kernel), to: away, mode: 0o600)
            configuration.kernel = away
            defer { unlink(away.string) }
            let machine = try await monitor.launch(configuration)
            let console = MachineFiles(configuration.directory).console
            #expect(await eventually { MachineFiles.tail(console).contains("tick 1") })
            await machine.destroy()
            try expectNothingLeft(bench, configuration, pid: machine.process.pid)
        }
    }

    @Test func `another client takes control by the record, beside or after the first`() async throws {
        try await withSerialGuest { bench, monitor, configuration in
            let first = try await monitor.launch(configuration)
            let second = try await monitor.attach(
                to: first.process, id: configuration.id, directory: configuration.directory,
                cgroupParent: configuration.cgroupParent)
            try await second.pause()
            #expect(try await first.isPaused())
            await first.detach()
            try await second.resume()
            #expect(try await second.isPaused() == false)
            do throws(VMMError) {
                _ = try await monitor.attach(
                    to: first.process, id: "other", directory: configuration.directory,
                    cgroupParent: configuration.cgroupParent)
                Issue.record("another machine was taken for ours")
            } catch { guard case .gone = error else { Issue.record(error); return } }
            await second.destroy()
            try expectNothingLeft(bench, configuration, pid: first.process.pid)
            await first.waitForExit()
        }
    }

    @Test func `a field that the release does not know is refused by name`() async throws {
        try await withSerialGuest { bench, monitor, configuration in
            let machine = try await monitor.launch(configuration)
            let socket = try UnixSocket.connect(FilePath(machine.process.socket))
            let client = FirecrackerClient(socket)
            let request = FirecrackerRequest(
                method: .patch, path: "/vm", body: Array(#"{"state":"Paused","colour":1}"#.utf8), operation: "test")
            do throws(FirecrackerError) {
                try client.send(request)
                Issue.record("accepted")
            } catch {
                guard case .rejected(400, let fault) = error else { Issue.record(error); return }
                #expect(fault.contains("unknown field `colour`"))
            }
            let version = try client.get(.version, as: VersionInfo.self)
            #expect(version.firecracker_version == monitor.version)
            let began = ContinuousClock.now
            for _ in 0..<200 { _ = try client.send(.instance) }
            print("firecracker: API round trip \(began.duration(to: .now) / 200)")
            client.close()
            await machine.destroy()
        }
    }

    @Test func `starts are timed`() async throws {
        for jailed in [true, false] {
            try await withSerialGuest(jailed: jailed) { bench, monitor, configuration in
                var times: [Duration] = []
                for _ in 0..<8 {
                    let began = ContinuousClock.now
                    let machine = try await monitor.launch(configuration)
                    times.append(began.duration(to: .now))
                    await machine.destroy()
                }
                print("firecracker (jailed \(jailed)): launch to booted \(times.sorted()[4]), all \(times.sorted())")
            }
        }
    }
}
