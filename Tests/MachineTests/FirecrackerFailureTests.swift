import Glibc
import LinuxHost
import SystemPackage
import Testing
import VMM

@testable import Firecracker

// What can go wrong with a machine under Firecracker, and what is left then: nothing.
extension FirecrackerTests {
    @Test func `a jail base that others may write to is refused`() async throws {
        try await withSerialGuest { bench, monitor, configuration in
            chmod(bench.directory.appending("jails").string, 0o777)
            do throws(VMMError) {
                _ = try await monitor.launch(configuration)
                Issue.record("launched")
            } catch { #expect("\(error)".contains("that others can change")) }
            try expectNothingLeft(bench, configuration, pid: nil)
        }
    }

    @Test func `a killed VMM is noticed, and a sweep by name alone removes the rest`() async throws {
        try await withSerialGuest { bench, monitor, configuration in
            let machine = try await monitor.launch(configuration)
            let pid = machine.process.pid
            kill(pid, SIGKILL)
            let began = ContinuousClock.now
            await machine.waitForExit()
            print("firecracker: death noticed after \(began.duration(to: .now))")
            await #expect(throws: VMMError.self) { try await machine.pause() }
            for _ in 0..<2 {
                try await monitor.sweep(
                    id: configuration.id, directory: configuration.directory, cgroupParent: configuration.cgroupParent)
            }
            try expectNothingLeft(bench, configuration, pid: pid)
            #expect(try jailContents(bench) == [])
        }
    }

    @Test func `a guest that shuts down ends its VMM`() async throws {
        try await withSerialGuest(words: "guest.exit") { bench, monitor, configuration in
            // The guest may be gone before the boot is confirmed: both are an end that is noticed.
            do throws(VMMError) {
                let machine = try await monitor.launch(configuration)
                await machine.waitForExit()
                await machine.destroy()
            } catch {
                print("firecracker: \(error)")
            }
            #expect(MachineFiles.tail(MachineFiles(configuration.directory).console).contains("guest ready"))
            try expectNothingLeft(bench, configuration, pid: nil)
        }
    }

    @Test(arguments: [true, false])
    func `a launch that fails leaves nothing and says why`(jailed: Bool) async throws {
        try await withSerialGuest(jailed: jailed) { bench, monitor, good in
            var missing = good
            missing.kernel = "/no/such/kernel"
            var strange = good
            strange.kernel = bench.directory.appending("strange")
            try AtomicFile.write(Array("no kernel".utf8), to: strange.kernel, mode: 0o444)
            var tapless = good
            tapless.network = NetworkAttachment(
                namespace: good.network.namespace, tapName: "tap9", guestMAC: good.network.guestMAC,
                openTap: good.network.openTap)
            var greedy = good
            greedy.vcpus = 64
            for (configuration, words) in [
                (missing, "/no/such/kernel"), (strange, "refused to boot the machine"),
                (tapless, "refused to attach the network interface eth0"), (greedy, "refused to size the machine"),
            ] {
                do throws(VMMError) {
                    let machine = try await monitor.launch(configuration)
                    Issue.record("launched instead of \(words)")
                    await machine.destroy()
                } catch {
                    print("failure: \(error)")
                    #expect(error.description.contains(words), "\(error)")
                }
                try expectNothingLeft(bench, configuration, pid: nil)
                #expect(try jailContents(bench) == [])
            }
        }
    }

    @Test func `a cancelled launch leaves nothing`() async throws {
        try await withSerialGuest { bench, monitor, configuration in
            for delay in [0, 5, 20, 40] {
                let launching = Task { try await monitor.launch(configuration) }
                try await Task.sleep(for: .milliseconds(delay))
                launching.cancel()
                if case .success(let machine) = await launching.result { await machine.destroy() }
                try expectNothingLeft(bench, configuration, pid: nil)
                #expect(try jailContents(bench) == [])
            }
        }
    }

    @Test func `a sweep removes jails of binaries of any name and touches no other machine`() async throws {
        try await withSerialGuest { bench, monitor, configuration in
            let machine = try await monitor.launch(configuration)
            var other = configuration
            other.id = "m2"
            other.directory = bench.directory.appending("m2")
            let old = bench.directory.appending("jails/firecracker-v1.0.0/m2/root")
            try Files.makeDirectory(old)
            try AtomicFile.write([1], to: old.appending("kernel"))
            try await monitor.sweep(id: "m2", directory: other.directory, cgroupParent: configuration.cgroupParent)
            #expect(!Files.exists(old.removingLastComponent()))
            #expect(try await machine.isPaused() == false)
            await machine.destroy()
        }
    }

    @Test func `a jail that exists is neither used nor removed`() async throws {
        try await withSerialGuest { bench, monitor, configuration in
            let theirs = bench.directory.appending("jails/firecracker/m1")
            try Files.makeDirectory(theirs)
            await #expect(throws: VMMError.self) { _ = try await monitor.launch(configuration) }
            #expect(Files.exists(theirs))
            try expectNothingLeft(bench, configuration, pid: nil)
        }
    }
}
