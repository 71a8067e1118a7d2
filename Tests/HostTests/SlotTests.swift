import Glibc
import HostNetwork
import LinuxHost
import Synchronization
import SystemPackage
import Testing

@Suite(.enabled(if: HostRequirements.slots, "needs root and /dev/net/tun")) struct SlotTests {
    @Test func `two slots with the same addresses lead to different servers`() throws {
        let slots = try [Slot.make(SlotNumber(0)), Slot.make(SlotNumber(1))]
        let guests = try slots.map { try TestGuest($0) }
        for (number, (slot, guest)) in zip(slots, guests).enumerated() {
            let listener = try guest.listen(3000)
            let connection = try slot.connect(port: 3000, deadline: .now + .seconds(2))
            try listener.answer("guest \(number)")
            #expect(try readAll(connection) == "guest \(number)")
        }
    }

    @Test func `sockets that were made ahead lead into the slot, and go with it`() throws {
        let before = try openDescriptors()
        do {
            let slot = try Slot.make(SlotNumber(0))
            let guest = try TestGuest(slot)
            let listener = try guest.listen(3000)
            let made = try openDescriptors()
            slot.prepareSockets(2)
            slot.prepareSockets(2)
            #expect(try openDescriptors() == made + 2)
            for number in 0..<3 {
                let connecting = try slot.beginConnecting(port: 3000, patience: .seconds(5))
                let connection = try connecting.finish(by: .now + .seconds(5))
                #expect(try openDescriptors() == made + max(1, 2 - number))
                try listener.answer("\(number)")
                #expect(try readAll(connection) == "\(number)")
            }
            slot.prepareSockets(1)
        }
        #expect(try openDescriptors() == before)
    }

    private func openDescriptors() throws -> Int { try Files.list("/proc/self/fd").count }

    @Test func `a TAP that nobody serves gives up at the deadline`() throws {
        let slot = try Slot.make(SlotNumber(0))
        let start = ContinuousClock.now
        #expect(throws: HostNetworkError.self) {
            _ = try slot.connect(port: 3000, deadline: start + .milliseconds(150))
        }
        let passed = ContinuousClock.now - start
        #expect(passed >= .milliseconds(150) && passed < .milliseconds(1000))
    }

    @Test func `packets lost before the guest is there cost milliseconds, not the kernel's second`() throws {
        let slot = try Slot.make(SlotNumber(0))
        let connected = Mutex<ContinuousClock.Instant?>(nil)
        let thread = TestThread {
            do {
                _ = try slot.connect(port: 3000, deadline: .now + .seconds(5), refusal: .waits)
                connected.withLock { $0 = .now }
            } catch {
                Issue.record(error)
            }
        }
        while try droppedPackets(slot) < 2 {}
        let guest = try TestGuest(slot)
        let listener = try guest.listen(3000)
        let start = ContinuousClock.now
        thread.join()
        let passed = try #require(connected.withLock { $0 }) - start
        #expect(passed < .milliseconds(500))
        _ = listener.descriptor.rawValue
    }

    @Test(arguments: [true, false])
    func `what is said with the first packet arrives once, also where the server does not take it from there`(
        _ isTaken: Bool
    ) throws {
        let slot = try Slot.make(SlotNumber(0))
        let guest = try TestGuest(slot)
        try guest.namespace.run { () throws(HostError) in try NetworkLink.setSysctl("ipv4/tcp_fastopen", "3") }.get()
        let listener = try guest.listen(3000)
        if isTaken { listener.hearFirstPackets() }
        let connecting = try slot.beginConnecting(port: 3000, patience: .seconds(5)) { Array("hello".utf8) }
        let connection = try connecting.finish(by: .now + .seconds(2))
        let heard = try listener.next()
        try ready(heard, POLLIN)
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(heard.rawValue, &bytes, bytes.count)
        #expect(String(decoding: bytes.prefix(max(0, count)), as: UTF8.self) == "hello")
        #expect(try saidWithFirstPacket(connection) == isTaken)
        _ = consume connection
        #expect(try readAll(heard) == "")
    }

    /// Whether the other end has acknowledged data with the handshake (tcpi_options).
    private func saidWithFirstPacket(_ connection: borrowing OwnedDescriptor) throws -> Bool {
        var information = tcp_info()
        var size = socklen_t(MemoryLayout<tcp_info>.size)
        let result = getsockopt(connection.rawValue, Int32(IPPROTO_TCP), TCP_INFO, &information, &size)
        guard result == 0 else { throw HostError("ask about", "a connection", Errno(rawValue: errno)) }
        return information.tcpi_options & 32 != 0
    }

    @Test func `what a lost packet said is said again by the next attempt, anew`() throws {
        let slot = try Slot.make(SlotNumber(0))
        let calls = Mutex(0)
        let connecting = try slot.beginConnecting(port: 3000) {
            calls.withLock { calls in
                calls += 1
                return Array("attempt \(calls)".utf8)
            }
        }
        while try droppedPackets(slot) < 1 {}
        let guest = try TestGuest(slot)
        let listener = try guest.listen(3000)
        listener.hearFirstPackets()
        let connection = try connecting.finish(by: .now + .seconds(5))
        let heard = try listener.next()
        try ready(heard, POLLIN)
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(heard.rawValue, &bytes, bytes.count)
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        #expect(text.hasPrefix("attempt ") && text != "attempt 1")
        _ = connection.rawValue
    }

    @Test func `a port where nobody listens is refused at once, or waited for`() throws {
        let slot = try Slot.make(SlotNumber(0))
        let guest = try TestGuest(slot)
        #expect(throws: HostNetworkError.refused(port: 3000)) {
            _ = try slot.connect(port: 3000, deadline: .now + .seconds(5))
        }
        #expect(throws: HostNetworkError.refused(port: 3000)) {
            _ = try slot.connect(port: 3000, deadline: .now + .milliseconds(60), refusal: .waits)
        }
        let listener = try guest.listen(3000)
        _ = try slot.connect(port: 3000, deadline: .now + .seconds(5), refusal: .waits)
        _ = listener.descriptor.rawValue
    }

    @Test func `a second VMM on a TAP is refused, and the TAP is free again after the first`() throws {
        let slot = try Slot.make(SlotNumber(7))
        do {
            let first = try slot.openTap()
            #expect(throws: HostNetworkError.tapBusy(SlotNumber(7))) { _ = try slot.openTap() }
            _ = consume first
        }
        _ = try slot.openTap()
    }

    @Test func `a process outside any slot is not taken for a machine`() throws {
        #expect(throws: HostNetworkError.self) { _ = try Slot.reopen(SlotNumber(0), pid: getpid()) }
        #expect(throws: HostNetworkError.self) { _ = try Slot.reopen(SlotNumber(0), pid: Int32.max) }
        let stranger = try NetworkNamespace.make()
        let pid = try stranger.run { () throws(HostError) in try spawnSleeper() }.get()
        defer {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        #expect {
            _ = try Slot.reopen(SlotNumber(0), pid: pid)
        } throws: {
            "\($0)".contains("no TAP of ours")
        }
    }

    @Test func `making slots leaves the caller's network and threads alone`() throws {
        let before = try (NetworkNamespace.current().inode, NetworkLink.list().map(\.name))
        for number in 0..<20 {
            let slot = try Slot.make(SlotNumber(number))
            _ = try slot.socket()
            #expect(slot.namespace.inode != before.0)
        }
        let after = try (NetworkNamespace.current().inode, NetworkLink.list().map(\.name))
        #expect(after == before)
    }

    @Test func `a guest cannot reach the slot it is in`() throws {
        let slot = try Slot.make(SlotNumber(0))
        let guest = try TestGuest(slot)
        let service = try Listener(slot.namespace, port: 80)
        let client = try guest.namespace.socket(AF_INET, Int32(SOCK_STREAM.rawValue))
        _ = withAddress(SlotAddresses.host, 80) { connect(client.rawValue, $0, $1) }
        #expect(throws: HostError.self) { try ready(service.descriptor, POLLIN, milliseconds: 200) }
    }

    /// Packets for the guest that the slot's TAP had nobody to give to.
    private func droppedPackets(_ slot: Slot) throws -> Int {
        let table = try slot.namespace.run { () throws(HostError) in
            String(decoding: try Files.read("/proc/thread-self/net/dev"), as: UTF8.self)
        }.get()
        let line = table.split(separator: "\n").first { $0.contains(SlotAddresses.tap) }
        let fields = line?.split(separator: ":").last?.split(separator: " ") ?? []
        return fields.count > 11 ? Int(fields[11]) ?? 0 : 0
    }
}
