import Glibc
import HostNetwork
import LinuxHost
import TestSupport
import Testing

/// Prints what the steps of a slot cost on this host; nothing is asserted about it.
@Suite(.enabled(if: HostRequirements.slots, "needs root and /dev/net/tun")) struct SlotTimings {
    @Test func `the steps of a slot are timed`() throws {
        var slots: [Slot] = []
        report("make a slot", 40) { slots.append(try Slot.make(SlotNumber(slots.count))) }
        let slot = try Slot.make(SlotNumber(99))
        report("make a socket in a slot", 400) { _ = try slot.socket() }
        report("attach to the TAP", 100) { _ = try slot.openTap() }
        let guest = try TestGuest(slot)
        let listener = try guest.listen(3000)
        report("connect to the guest", 200) {
            _ = try slot.connect(port: 3000, deadline: .now + .seconds(2))
            close(accept(listener.descriptor.rawValue, nil, nil))
        }
        try withScratch { folder in
            let net = try TestInternet(folder)
            var open: [Slot] = []
            report("make a slot with egress", 40) { open.append(try net.slot(open.count)) }
            open.removeAll()
            report("sweep", 1) { _ = try net.sweep() }
        }
        report("drop a slot", 40) { slots.removeLast() }
    }

    private func report(_ name: String, _ count: Int, _ body: () throws -> Void) {
        var times: [Duration] = []
        for _ in 0..<count {
            do { times.append(try ContinuousClock().measure { try body() }) } catch { Issue.record(error) }
        }
        times.sort()
        guard let last = times.last else { return }
        print("\(name): p50 \(times[times.count / 2]), p90 \(times[times.count * 9 / 10]), max \(last)")
    }
}
