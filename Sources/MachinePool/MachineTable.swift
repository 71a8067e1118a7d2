/// All slots, each in exactly one list: one per state, and for busy machines one per load.
///
/// Every operation takes constant time, whatever the number of machines.
struct MachineTable: Sendable {
    private struct List: Sendable {
        var head: Int32 = -1
        var tail: Int32 = -1
        var count = 0
    }

    private(set) var slots: [MachineSlot]
    let concurrency: Int
    /// Requests a machine is given; less than `concurrency` where the limit is learned.
    var cap: Int
    private var lists: [List]
    /// One bit per load from 1 that some busy machine has.
    private var loads: [UInt64]
    private var generations: UInt64 = 0
    private(set) var busyCount = 0
    private(set) var inflight = 0

    private static let wanted = 10
    private static let busyBase = 11

    init(slots count: Int, concurrency: Int) {
        self.concurrency = concurrency
        cap = concurrency
        slots = Array(repeating: MachineSlot(), count: count)
        lists = Array(repeating: List(), count: Self.busyBase + concurrency + 1)
        loads = Array(repeating: 0, count: concurrency / 64 + 1)
        for slot in 0..<count { insert(slot, front: false) }
    }

    func list(of slot: Int) -> Int {
        switch slots[slot].state {
        case nil: 0
        case .booting: 1
        case .restoring: 2
        case .idle: 3
        case .pausing: slots[slot].wanted ? Self.wanted : 4
        case .paused: 5
        case .resuming: 6
        case .draining: 7
        case .stopping: 8
        case .failed: 9
        case .busy: Self.busyBase + slots[slot].inflight
        }
    }

    @inline(__always)
    private static func list(of state: MachineState) -> Int {
        switch state {
        case .booting: 1
        case .restoring: 2
        case .idle: 3
        case .pausing: 4
        case .paused: 5
        case .resuming: 6
        case .draining: 7
        case .stopping: 8
        case .failed: 9
        case .busy: busyBase
        }
    }

    @inline(__always)
    func count(_ state: MachineState) -> Int {
        switch state {
        case .busy: busyCount
        case .pausing: lists[4].count + lists[Self.wanted].count
        default: lists[Self.list(of: state)].count
        }
    }

    /// Pausing machines that are to run again at once.
    var wantedCount: Int { lists[Self.wanted].count }

    var freeCount: Int { lists[0].count }
    var used: Int { slots.count - freeCount }

    /// The machine that entered `state` last.
    @inline(__always)
    func newest(_ state: MachineState) -> Int? { index(lists[Self.list(of: state)].head) }
    /// The machine that has been in `state` longest.
    @inline(__always)
    func oldest(_ state: MachineState) -> Int? {
        let slot = index(lists[Self.list(of: state)].tail)
        guard state == .pausing, let wanted = index(lists[Self.wanted].tail) else { return slot }
        guard let slot else { return wanted }
        return slots[slot].since < slots[wanted].since ? slot : wanted
    }

    /// The pausing machine that was wanted again last.
    var newestWanted: Int? { index(lists[Self.wanted].head) }

    /// The machine after `slot` in its list.
    func next(_ slot: Int) -> Int? { index(slots[slot].next) }

    /// Some busy machine, the least loaded first.
    var anyBusy: Int? {
        for word in loads.indices where loads[word] != 0 {
            return index(lists[Self.busyBase + word * 64 + loads[word].trailingZeroBitCount].head)
        }
        return nil
    }

    /// The busy machine with the fewest requests, if any has room.
    func leastLoaded() -> Int? {
        guard busyCount > 0, cap > 1 else { return nil }
        guard let slot = anyBusy, slots[slot].inflight < cap else { return nil }
        return slot
    }

    func slot(of machine: MachineRef) -> Int? {
        guard slots.indices.contains(machine.slot), slots[machine.slot].generation == machine.generation,
            slots[machine.slot].state != nil
        else { return nil }
        return machine.slot
    }

    func ref(_ slot: Int) -> MachineRef { MachineRef(slot: slot, generation: slots[slot].generation) }

    /// Puts a new machine into a free slot.
    mutating func allocate(_ state: MachineState, at now: PoolTime) -> Int? {
        guard let slot = index(lists[0].head) else { return nil }
        generations += 1
        remove(slot)
        slots[slot] = MachineSlot(state: state, generation: generations, since: now, startedAt: now)
        insert(slot, front: true)
        return slot
    }

    mutating func enter(_ state: MachineState, _ slot: Int, at now: PoolTime) {
        remove(slot)
        slots[slot].state = state
        slots[slot].since = now
        slots[slot].wanted = false
        insert(slot, front: true)
    }

    /// Marks the machine that began to pause last as wanted again; false if there is none.
    mutating func takeBackPause(at now: PoolTime) -> Bool {
        guard let slot = newest(.pausing) else { return false }
        remove(slot)
        // From here on it has a waiter, and the time that it may take is counted anew.
        slots[slot].since = now
        slots[slot].wanted = true
        insert(slot, front: true)
        return true
    }

    mutating func free(_ slot: Int) {
        remove(slot)
        slots[slot].state = nil
        slots[slot].inflight = 0
        slots[slot].wanted = false
        insert(slot, front: true)
    }

    /// Changes a running machine's load by one and its state between idle and busy with it.
    mutating func changeLoad(_ slot: Int, by change: Int, at now: PoolTime) {
        remove(slot)
        slots[slot].inflight += change
        if slots[slot].state != .draining {
            let state: MachineState = slots[slot].inflight == 0 ? .idle : .busy
            if state != slots[slot].state { slots[slot].since = now }
            slots[slot].state = state
        }
        insert(slot, front: true)
    }

    mutating func update(_ slot: Int, _ body: (inout MachineSlot) -> Void) { body(&slots[slot]) }

    /// Takes the leases of a machine that is gone out of the count; returns how many they were.
    mutating func dropLeases(_ slot: Int) -> Int {
        let state = slots[slot].state
        remove(slot)
        let dropped = slots[slot].inflight
        slots[slot].inflight = 0
        // A busy machine without leases would be in no list; it is on its way out.
        if state == .busy { slots[slot].state = .draining }
        insert(slot, front: true)
        return dropped
    }

    @inline(__always)
    private func index(_ link: Int32) -> Int? { link >= 0 ? Int(link) : nil }

    private mutating func insert(_ slot: Int, front: Bool) {
        let number = list(of: slot)
        let link = Int32(slot)
        if lists[number].count == 0 {
            lists[number].head = link
            lists[number].tail = link
            slots[slot].next = -1
            slots[slot].previous = -1
        } else if front {
            let head = lists[number].head
            slots[slot].next = head
            slots[slot].previous = -1
            slots[Int(head)].previous = link
            lists[number].head = link
        } else {
            let tail = lists[number].tail
            slots[slot].previous = tail
            slots[slot].next = -1
            slots[Int(tail)].next = link
            lists[number].tail = link
        }
        lists[number].count += 1
        inflight += slots[slot].inflight
        if slots[slot].state == .busy {
            busyCount += 1
            let load = slots[slot].inflight
            loads[load / 64] |= 1 << UInt64(load % 64)
        }
    }

    private mutating func remove(_ slot: Int) {
        let number = list(of: slot)
        let (next, previous) = (slots[slot].next, slots[slot].previous)
        if previous >= 0 { slots[Int(previous)].next = next } else { lists[number].head = next }
        if next >= 0 { slots[Int(next)].previous = previous } else { lists[number].tail = previous }
        lists[number].count -= 1
        inflight -= slots[slot].inflight
        if slots[slot].state == .busy {
            busyCount -= 1
            let load = slots[slot].inflight
            if lists[number].count == 0 { loads[load / 64] &= ~(1 << UInt64(load % 64)) }
        }
    }
}
