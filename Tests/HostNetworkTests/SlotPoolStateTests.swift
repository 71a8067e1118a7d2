import HostNetwork
import Testing

@Suite struct SlotPoolStateTests {
    private let start = ContinuousClock.now

    @Test func `slots are prepared up to the target, lowest number first`() {
        var state = SlotPoolState(target: 2)
        #expect(state.take(at: start) == nil)
        let making = [state.makeAhead(at: start), state.makeAhead(at: start), state.makeAhead(at: start)]
        #expect(making == [SlotNumber(0), SlotNumber(1), nil])
        #expect(state.take(at: start) == nil)
        state.made(SlotNumber(1))
        state.made(SlotNumber(0))
        #expect(state.take(at: start) == SlotNumber(0))
        #expect(state.makeAhead(at: start) == SlotNumber(2))
    }

    @Test func `a failed slot frees its number`() {
        var state = SlotPoolState(target: 1)
        #expect(state.makeAhead(at: start) == SlotNumber(0))
        state.failed(SlotNumber(0))
        #expect(state.makeForUse() == SlotNumber(0))
        state.failed(SlotNumber(0))
        #expect(state.usedCount == 0)
    }

    @Test func `a returned slot rests before it is used again`() {
        var state = SlotPoolState(target: 1)
        let number = state.makeForUse()
        #expect(state.giveBack(number, reusable: true, at: start) == true)
        #expect(state.makeAhead(at: start) == nil)
        #expect(state.take(at: start + .milliseconds(2999)) == nil)
        #expect(state.take(at: start + SlotPoolState.rest) == number)
    }

    @Test func `a slot that is broken, one too many, or not ours is dropped`() {
        var state = SlotPoolState(target: 1)
        let slots = [state.makeForUse(), state.makeForUse(), state.makeForUse()]
        #expect(state.giveBack(slots[0], reusable: false, at: start) == false)
        #expect(state.giveBack(slots[1], reusable: true, at: start) == true)
        #expect(state.giveBack(slots[1], reusable: true, at: start) == false)
        #expect(state.giveBack(slots[2], reusable: true, at: start) == false)
        #expect(state.giveBack(SlotNumber(9), reusable: true, at: start) == false)
        #expect(state.usedCount == 0)
    }

    @Test func `a slot never has two owners, whatever the order of events`() {
        let seed = UInt64.random(in: .min ... .max)
        print("seed \(seed)")
        var random = SplitMix(state: seed)
        var state = SlotPoolState(target: 4)
        var used: Set<SlotNumber> = []
        var making: Set<SlotNumber> = []
        for step in 0..<20_000 {
            let now = start + .milliseconds(step * 200)
            switch random.next() % 6 {
            case 0: if let number = state.take(at: now) { #expect(used.insert(number).inserted) }
            case 1 where used.count < 12: #expect(used.insert(state.makeForUse()).inserted)
            case 2: if let number = state.makeAhead(at: now) { #expect(making.insert(number).inserted) }
            case 3: if let number = making.popFirst() { state.made(number) }
            case 4: if let number = making.popFirst() { state.failed(number) }
            default:
                if let number = used.popFirst() {
                    _ = state.giveBack(number, reusable: random.next() % 8 != 0, at: now)
                }
            }
            #expect(used.isDisjoint(with: making))
            #expect(state.readyCount <= 4 && state.usedCount == used.count)
        }
    }
}

/// A generator whose sequence a printed seed brings back.
private struct SplitMix {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
