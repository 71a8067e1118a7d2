import HostNetwork
import LinuxHost
import Synchronization
import TestSupport
import Testing

@Suite(.enabled(if: HostRequirements.slots, "needs root and /dev/net/tun")) struct SlotPoolTests {
    @Test func `prepared slots are handed out lowest first, and a missing one is made`() throws {
        let pool = SlotPool(target: 2, uplink: nil)
        #expect(pool.takeReady() == nil)
        try pool.refill()
        #expect(pool.readyCount == 2)
        let slots = try [pool.take(), pool.take(), pool.take()]
        #expect(slots.map(\.number) == [SlotNumber(0), SlotNumber(1), SlotNumber(2)])
        #expect(pool.takeReady() == nil)
    }

    @Test func `a slot whose VMM is still attached is not used again`() throws {
        let pool = SlotPool(target: 1, uplink: nil)
        let slot = try pool.take()
        let vmm = try slot.openTap()
        #expect(pool.giveBack(slot) == false)
        let second = try pool.take()
        #expect(second.number == SlotNumber(0))
        #expect(pool.giveBack(second))
        _ = consume vmm
    }

    @Test func `slots taken by many threads at once are all different`() throws {
        let pool = SlotPool(target: 8, uplink: nil)
        try pool.refill()
        let taken = Taken()
        let threads = (0..<16).map { _ in
            TestThread {
                do { taken.add(try pool.take()) } catch { Issue.record(error) }
            }
        }
        for thread in threads { thread.join() }
        #expect(Set(taken.slots.map(\.number)).count == 16)
        #expect(Set(taken.slots.map { $0.namespace.inode }).count == 16)
    }
}

private final class Taken: Sendable {
    private let contents = Mutex<[Slot]>([])
    func add(_ slot: Slot) { contents.withLock { $0.append(slot) } }
    var slots: [Slot] { contents.withLock { $0 } }
}
