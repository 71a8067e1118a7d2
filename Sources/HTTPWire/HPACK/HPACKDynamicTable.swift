/// RFC 7541, 2.3.2: the fields that both ends remember, the newest at index 1.
///
/// Each stands as `name: value` with a line end in one piece of memory, the oldest first, and what is to be the next one
/// is put together behind them: nothing is allocated for an entry, and all of it is copied at once. Memory grows with its
/// use.
struct HPACKDynamicTable: ~Copyable {
    struct Entry {
        var start: UInt32 = 0
        var nameLength: UInt32 = 0
        var valueLength: UInt32 = 0
        // What only an encoder has.
        var nameHash: UInt32 = 0
        var fieldHash: UInt32 = 0
        /// The numbers of the entries that the same places of `HPACKIndex` named before.
        var olderName: UInt32 = 0
        var olderField: UInt32 = 0
    }

    private(set) var limit: Int
    private(set) var size = 0
    private(set) var count: UInt32 = 0
    /// The number of the next entry; they begin far enough from 0 for that to be older than any.
    private(set) var next: UInt32 = 1 << 31

    private var memory = UnsafeMutableRawPointer.allocate(byteCount: 512, alignment: 8)
    private var capacity = 512
    /// Where the next line goes.
    private var tail = 0
    private var entries = UnsafeMutablePointer<Entry>.allocate(capacity: 16)
    private var mask: UInt32 = 15

    init(limit: Int) {
        self.limit = limit
        entries.initialize(repeating: Entry(), count: 16)
    }

    deinit {
        memory.deallocate()
        entries.deallocate()
    }

    var base: UnsafeRawPointer { UnsafeRawPointer(memory) }

    /// The entry of an index from 1 to `count`.
    @inline(__always)
    func entry(_ index: UInt32) -> Entry { entries[Int((next &- index) & mask)] }

    /// Memory behind the last line, at least so many bytes.
    @inline(__always)
    mutating func room(_ needed: Int) -> UnsafeMutableRawPointer {
        if needed > capacity &- tail { makeRoom(needed) }
        return memory + tail
    }

    /// Adds what stands in the room, as a line.
    @inline(__always)
    mutating func insert(_ line: Entry) {
        let cost = Int(line.nameLength) &+ Int(line.valueLength) &+ 32
        evict(to: limit &- cost)
        // RFC 7541, 4.4: what is larger than the table empties it, and that is no error.
        if cost > limit { return }
        if count > mask { growEntries() }
        var line = line
        line.start = UInt32(truncatingIfNeeded: tail)
        entries[Int(next & mask)] = line
        tail &+= cost &- 28
        size &+= cost
        count &+= 1
        next &+= 1
    }

    mutating func setLimit(_ limit: Int) {
        self.limit = limit
        evict(to: limit)
    }

    @inline(__always)
    private mutating func evict(to target: Int) {
        while size > target, count > 0 {
            let oldest = entry(count)
            size &-= Int(oldest.nameLength) &+ Int(oldest.valueLength) &+ 32
            count &-= 1
        }
    }

    /// Moves the lines to the front. There is so much memory that as much is added before that happens again.
    @inline(never)
    private mutating func makeRoom(_ needed: Int) {
        let start = count == 0 ? tail : Int(entry(count).start)
        let live = tail - start
        let wanted = 2 * live + needed
        if wanted > capacity {
            capacity = (wanted + 511) & ~511
            let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 8)
            larger.copyMemory(from: memory + start, byteCount: live)
            memory.deallocate()
            memory = larger
        } else {
            memory.copyMemory(from: memory + start, byteCount: live)
        }
        tail = live
        var index: UInt32 = 1
        while index <= count {
            entries[Int((next &- index) & mask)].start -= UInt32(truncatingIfNeeded: start)
            index += 1
        }
    }

    @inline(never)
    private mutating func growEntries() {
        let larger = UnsafeMutablePointer<Entry>.allocate(capacity: 2 * Int(mask) + 2)
        larger.initialize(repeating: Entry(), count: 2 * Int(mask) + 2)
        let newMask = 2 * mask + 1
        var index: UInt32 = 1
        while index <= count {
            larger[Int((next &- index) & newMask)] = entry(index)
            index += 1
        }
        entries.deallocate()
        entries = larger
        mask = newMask
    }
}
