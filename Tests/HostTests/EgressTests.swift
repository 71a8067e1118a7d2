import Glibc
import HostNetwork
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@Suite(.enabled(if: HostRequirements.slots, "needs root and /dev/net/tun")) struct EgressTests {
    static let open = [
        "8.8.8.8", "93.184.216.34", "1.1.1.1", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1",
        "126.255.0.1", "128.0.0.1", "169.253.255.1", "169.255.0.1", "172.15.0.1", "172.32.0.1", "191.255.0.1",
        "192.0.1.1", "192.167.0.1", "192.169.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.1",
    ]
    static let closed = [
        "10.0.0.1", "10.0.0.5", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.254", "169.254.0.1",
        "169.254.169.254", "169.254.170.2", "172.16.5.5", "172.17.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192",
        "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.1.1", "192.168.255.254", "198.18.0.1", "198.19.255.1",
        "198.51.100.1", "203.0.113.1", "240.0.0.1", "254.1.2.3",
    ]

    enum Firewalls: CaseIterable { case both, slotOnly, hostOnly }

    @Test(arguments: Firewalls.allCases)
    func `a guest reaches public addresses and no other, even when one of the two firewalls is lost`(
        _ firewalls: Firewalls
    ) throws {
        try withScratch { folder in
            let net = try TestInternet(folder, addresses: Self.open + Self.closed)
            let slots = try [net.slot(0), net.slot(1)]
            let guest = try TestGuest(slots[0])
            let other = try TestGuest(slots[1])
            let web = try Listener(net.internet, port: 80)
            let near = ["5.5.5.2", "100.127.0.1", "100.127.0.2", "100.127.0.5", "100.127.0.6", "172.16.0.1"]
            let local = try [Listener(net.host, port: 22).take(), Listener(net.host, port: 80).take()]
            let neighbour = try Listener(other.namespace, port: 80)
            defer { for descriptor in local { close(descriptor) } }
            switch firewalls {
            case .both: break
            case .slotOnly: try apply("flush ruleset", in: net.host)
            case .hostOnly: try apply("flush set inet slot closed", in: slots[0].namespace)
            }
            let capture = try Capture(net.internet, link: "isp0")
            let probes = (Self.open + Self.closed + near).map { ($0, UInt16(80)) } + near.map { ($0, UInt16(22)) }
            let reached = try connected(from: guest, probes)
            #expect(reached == Set(Self.open.map { "\($0):80" }))
            let seen = capture.packets()
            #expect(Set(seen.map(\.target.description)).isSuperset(of: Self.open))
            #expect(Set(seen.map(\.target.description)).isDisjoint(with: Self.closed))
            if firewalls != .slotOnly { #expect(Set(seen.map(\.source)) == [TestInternet.hostAddress]) }
            for listener in local + [neighbour.descriptor.rawValue] { #expect(accept(listener, nil, nil) == -1) }
            _ = web.descriptor.rawValue
        }
    }

    @Test func `without an uplink a guest reaches nothing`() throws {
        try withScratch { folder in
            let net = try TestInternet(folder, addresses: Self.open)
            let before = try net.hostState()
            let slot = try net.host.run { () throws(HostNetworkError) in try Slot.make(SlotNumber(0)) }.get()
            let guest = try TestGuest(slot)
            let near = ["5.5.5.2", "172.16.0.1", "8.8.8.8"]
            #expect(try connected(from: guest, near.map { ($0, 80) }).isEmpty)
            #expect(try net.hostState() == before)
        }
    }

    @Test func `frames that are not the guest's own do not leave the slot`() throws {
        try withScratch { folder in
            let net = try TestInternet(folder, addresses: ["8.8.8.8"])
            let slot = try net.slot()
            let tap = try slot.openTap()
            let capture = try Capture(net.internet, link: "isp0")
            let frames = [
                TestFrame(port: 1000), TestFrame(port: 1001, sourceMAC: SlotAddresses.hostMAC),
                TestFrame(port: 1002, source: IPv4Address(172, 16, 0, 1)),
                TestFrame(port: 1003, source: IPv4Address(8, 8, 4, 4)), TestFrame(port: 1004, etherType: 0x86dd),
                TestFrame(port: 1005, vlan: 5), TestFrame(port: 1006, options: true),
                TestFrame(port: 1007, etherType: 0x88cc), TestFrame(port: 1008, source: IPv4Address(127, 0, 0, 1)),
                TestFrame(port: 1009, source: IPv4Address(0, 0, 0, 0)), TestFrame(port: 1010),
            ]
            for frame in frames { frame.send(tap) }
            #expect(capture.packets().map(\.port) == [1000, 1010])
        }
    }

    @Test func `a guest that opens connections without end is held to its share`() throws {
        try withScratch { folder in
            let net = try TestInternet(folder, addresses: ["8.8.8.8"])
            let slot = try net.slot()
            let guest = try TestGuest(slot)
            let capture = try Capture(net.internet, link: "isp0")
            for _ in 0..<1000 {
                let socket = try DatagramSocket(guest.namespace)
                try socket.connect(to: IPv4Address(8, 8, 8, 8), port: 9)
                socket.send("x")
            }
            #expect((100...256).contains(capture.packets().count))
            let listener = try guest.listen(3000)
            let connection = try slot.connect(port: 3000, deadline: .now + .seconds(2))
            try listener.answer("still here")
            #expect(try readAll(connection) == "still here")
        }
    }

    @Test func `the host reaches a reachable guest at its own address, and nobody else does`() throws {
        try withScratch { folder in
            let net = try TestInternet(folder, addresses: ["8.8.8.8"])
            let slot = try net.host.run { () throws(HostNetworkError) in
                try Slot.make(SlotNumber(0), uplink: net.uplink, reachable: true)
            }.get()
            let closed = try net.slot(1)
            let address = try #require(slot.address)
            #expect(closed.address == nil)
            let guest = try TestGuest(slot)
            let other = try TestGuest(closed)
            let web = try guest.listen(3000)
            let agent = try guest.listen(1)
            let hidden = try Listener(other.namespace, port: 3000)

            let connection = try connect(from: net.host, to: address, port: 3000)
            try web.answer("from the guest")
            #expect(try readAll(connection) == "from the guest")
            let toAgent = try connect(from: net.host, to: address, port: 1)
            let fromGuest = try connect(from: other.namespace, to: address, port: 3000)
            let fromInternet = try connect(from: net.internet, to: address, port: 3000)
            let toClosed = try connect(from: net.host, to: EgressNumber(1).slotEnd, port: 3000)
            // Long enough for a handshake between namespaces many times over.
            for descriptor in [toAgent.rawValue, fromGuest.rawValue, fromInternet.rawValue, toClosed.rawValue] {
                var state = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                let isConnected = poll(&state, 1, 200) == 1 && state.revents == Int16(POLLOUT)
                #expect(!isConnected)
            }
            for listener in [agent.descriptor.rawValue, hidden.descriptor.rawValue] {
                #expect(accept(listener, nil, nil) == -1)
            }
        }
    }

    private func connect(
        from namespace: borrowing NetworkNamespace, to address: IPv4Address, port: UInt16
    ) throws -> OwnedDescriptor {
        let socket = try namespace.socket(AF_INET, Int32(SOCK_STREAM.rawValue))
        let raw = socket.rawValue
        _ = withAddress(address, port) { Glibc.connect(raw, $0, $1) }
        return socket
    }

    private func apply(_ commands: String, in namespace: borrowing NetworkNamespace) throws {
        _ = try namespace.run { () throws(PacketFilterError) in try PacketFilter.apply(commands) }.get()
    }

    /// The probes, all begun at once, that are connected half a second later.
    private func connected(from guest: TestGuest, _ probes: [(String, UInt16)]) throws -> Set<String> {
        var waiting: [Int32: String] = [:]
        defer { for descriptor in waiting.keys { close(descriptor) } }
        for (address, port) in probes {
            guard let target = IPv4Address(address) else { continue }
            let raw = try guest.namespace.socket(AF_INET, Int32(SOCK_STREAM.rawValue)).release()
            _ = withAddress(target, port) { Glibc.connect(raw, $0, $1) }
            waiting[raw] = "\(address):\(port)"
        }
        var reached: Set<String> = []
        let deadline = ContinuousClock.now + .milliseconds(500)
        while ContinuousClock.now < deadline {
            var states = waiting.keys.map { pollfd(fd: $0, events: Int16(POLLOUT), revents: 0) }
            poll(&states, nfds_t(states.count), 50)
            for state in states where state.revents != 0 {
                if state.revents == Int16(POLLOUT), let name = waiting[state.fd] { reached.insert(name) }
                waiting[state.fd] = nil
                close(state.fd)
            }
        }
        return reached
    }
}

@Suite(.enabled(if: HostRequirements.slots, "needs root and /dev/net/tun")) struct ForwardObstacleTests {
    @Test func `a foreign chain that drops forwarded packets is named`() throws {
        try withScratch { folder in
            let net = try TestInternet(folder)
            let slot = try net.slot()
            let find = { () throws(HostNetworkError) in try net.uplink.obstacles() }
            #expect(try net.host.run(find).get().isEmpty)
            _ = try net.host.run { () throws(PacketFilterError) in
                try PacketFilter.apply(
                    "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }\n }")
            }.get()
            let obstacle = try #require(try net.host.run(find).get().first)
            #expect("\(obstacle)".contains("ip filter FORWARD"))
            withExtendedLifetime(slot) {}
        }
    }
}
