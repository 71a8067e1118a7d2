import Glibc
import HostNetwork
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@Suite(.enabled(if: HostRequirements.slots, "needs root and /dev/net/tun")) struct NetworkSweepTests {
    @Test func `slots come and go, and the host is as before`() throws {
        try withScratch { folder in
            let net = try TestInternet(folder)
            let far = try decoys(net)
            let before = try net.hostState()
            var slots = try [net.slot(0), net.slot(1), net.slot(2)]
            let during = try net.hostState()
            #expect(during != before)
            #expect(during.filter { EgressNumber(link: $0) != nil }.count == 3)
            #expect(try net.sweep() == NetworkSweep.Report())
            #expect(try net.hostState() == during)
            withExtendedLifetime(slots) {}
            slots.removeAll()
            let report = try net.sweep()
            #expect(report.table)
            #expect(report.forwarding == ["wan0"])
            #expect(try net.hostState() == before)
            #expect(!Files.exists(net.uplink.files.journal))
            #expect(try net.sweep() == NetworkSweep.Report())
            _ = consume far
        }
    }

    @Test func `a slot lives with its VMM after its maker is gone, and goes when the VMM is killed`() throws {
        try withScratch { folder in
            let net = try TestInternet(folder)
            let before = try net.hostState()
            var slot: Slot? = try net.slot()
            let pid = try #require(try slot?.namespace.run { () throws(HostError) in try spawnSleeper() }.get())
            defer { kill(pid, SIGKILL) }
            withExtendedLifetime(slot) {}
            slot = nil
            #expect(try net.sweep() == NetworkSweep.Report())
            do {
                let found = try Slot.reopen(SlotNumber(0), pid: pid)
                let guest = try TestGuest(found)
                let listener = try guest.listen(3000)
                let connection = try found.connect(port: 3000, deadline: .now + .seconds(2))
                try listener.answer("again")
                #expect(try readAll(connection) == "again")
            }
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            _ = try net.sweep()
            #expect(try net.hostState() == before)
        }
    }

    @Test func `a killed process that only held slots leaves nothing`() throws {
        try withScratch { folder in
            let net = try TestInternet(folder)
            let before = try net.hostState()
            var slots = try [net.slot(0), net.slot(1)]
            let pid = try spawnSleeper(holding: slots.map { $0.namespace.descriptor.rawValue })
            defer { kill(pid, SIGKILL) }
            withExtendedLifetime(slots) {}
            slots.removeAll()
            #expect(try net.sweep() == NetworkSweep.Report())
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            #expect(try net.sweep().table)
            #expect(try net.hostState() == before)
        }
    }

    @Test func `forwarding stays on while another installation has a slot, and replies still pass`() throws {
        try withScratch { folder in
            let net = try TestInternet(folder, addresses: ["8.8.8.8"])
            let otherTag = try #require(NetworkTag("0123abcd"))
            let other = Uplink(tag: otherTag, files: net.uplink.files)
            let before = try net.hostState()
            var mine: Slot? = try net.slot()
            var theirs: Slot? = try net.host.run { () throws(HostNetworkError) in
                try Slot.make(SlotNumber(1), uplink: other)
            }.get()
            withExtendedLifetime(mine) {}
            mine = nil
            #expect(try net.sweep().forwarding.isEmpty)
            if let slot = theirs {
                let guest = try TestGuest(slot)
                let server = try DatagramSocket(net.internet, at: IPv4Address(8, 8, 8, 8), port: 9)
                let client = try DatagramSocket(guest.namespace)
                try client.connect(to: IPv4Address(8, 8, 8, 8), port: 9)
                client.send("ping")
                try server.echo("re: ")
                #expect(try client.receive() == "re: ping")
            }
            theirs = nil
            _ = try net.host.run { () throws(HostNetworkError) in
                try NetworkSweep.run(tag: otherTag, files: net.uplink.files)
            }.get()
            #expect(try net.hostState() == before)
        }
    }

    @Test func `an uplink that forwards because of us forwards nothing for strangers`() throws {
        try withScratch { folder in
            let net = try TestInternet(folder)
            let slot = try net.slot()
            // A second interface of the host that already forwards, as a container bridge would.
            let bridge = try NetworkNamespace.make()
            let raw = bridge.descriptor.rawValue
            try net.host.run { () throws(HostError) in
                try NetworkLink.makePair("br9", peer: "eth0", in: NetworkNamespace(OwnedDescriptor(dup(raw))))
                try NetworkLink.setAddress("br9", IPv4Address(10, 9, 0, 1), prefix: 24)
                try NetworkLink.setUp("br9")
            }.get()
            try bridge.run { () throws(HostError) in
                try NetworkLink.setAddress("eth0", IPv4Address(10, 9, 0, 2), prefix: 24)
                try NetworkLink.setUp("eth0")
            }.get()
            let capture = try Capture(bridge, link: "eth0")
            let intruder = try DatagramSocket(net.internet)
            try intruder.connect(to: IPv4Address(10, 9, 0, 2), port: 9)
            intruder.send("let me in")
            #expect(capture.packets().isEmpty)
            // The route is real: without our guard the packet arrives.
            _ = try net.host.run { () throws(PacketFilterError) in
                try PacketFilter.apply("flush chain inet \(net.uplink.tag.table) forward")
            }.get()
            intruder.send("let me in")
            var arrived: [Capture.Packet] = []
            let deadline = ContinuousClock.now + .seconds(3)
            while arrived.isEmpty, ContinuousClock.now < deadline {
                try capture.wait()
                arrived += capture.packets()
            }
            #expect(arrived.map(\.port) == [9])
            withExtendedLifetime(slot) {}
        }
    }

    @Test func `a flushed table and a changed resolver are set up again by a refresh`() throws {
        try withScratch { folder in
            let net = try TestInternet(folder)
            let before = try net.hostState()
            try refresh(net)
            #expect(try net.hostState() == before)
            let slot = try net.slot()
            let made = try net.hostState()
            _ = try net.host.run { () throws(PacketFilterError) in try PacketFilter.apply("flush ruleset") }.get()
            try net.host.run { () throws(HostError) in try NetworkLink.setSysctl("ipv4/conf/wan0/forwarding", "0") }
                .get()
            try refresh(net)
            #expect(try net.hostState() == made)
            withExtendedLifetime(slot) {}
        }
    }

    private func refresh(_ net: TestInternet) throws {
        try net.host.run { () throws(HostNetworkError) in try net.uplink.refresh() }.get()
    }

    /// Things of others that look like ours; they last as long as the namespace that is returned.
    private func decoys(_ net: TestInternet) throws -> NetworkNamespace {
        let namespace = try NetworkNamespace.make()
        let raw = namespace.descriptor.rawValue
        try net.host.run { () throws(HostError) in
            let tap = try TapDevice.open("tap_fc9")
            try TapDevice.persist(tap)
            for name in ["fc0", "fc01234567", "fcABCDEF01-0000", "fc0123456-00000"] {
                try NetworkLink.makePair(name, peer: name, in: NetworkNamespace(OwnedDescriptor(dup(raw))))
            }
        }.get()
        _ = try net.host.run { () throws(PacketFilterError) in
            try PacketFilter.apply("table inet fcctl { chain input { } \n }\ntable inet fcctl_01234567 { }")
        }.get()
        return namespace
    }
}

/// Starts a program that waits, in the calling thread's network namespace, with copies of some descriptors.
func spawnSleeper(holding descriptors: [Int32] = []) throws(HostError) -> pid_t {
    var pid = pid_t()
    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sleep"), strdup("60"), nil]
    defer { for argument in arguments { free(argument) } }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (number, descriptor) in descriptors.enumerated() {
        posix_spawn_file_actions_adddup2(&actions, descriptor, 200 + Int32(number))
    }
    let result = posix_spawn(&pid, "/bin/sleep", &actions, nil, &arguments, nil)
    if result != 0 { throw HostError("start", "/bin/sleep", Errno(rawValue: result)) }
    return pid
}
