/// Bytes on their way out, in memory that is kept when they have left.
package struct WireBuffer: ~Copyable {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    package private(set) var count = 0

    package init(capacity: Int = 1024) {
        self.capacity = max(16, capacity)
        base = .allocate(byteCount: self.capacity, alignment: 8)
    }

    deinit { base.deallocate() }

    package var isEmpty: Bool { count == 0 }
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// What was large once is not kept for the small.
    package mutating func clear() {
        count = 0
        if capacity <= Self.mostKept { return }
        base.deallocate()
        capacity = 1024
        base = .allocate(byteCount: capacity, alignment: 8)
    }

    private static let mostKept = 256 * 1024

    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    package mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Writes at most `bound` bytes with `body`, and keeps what it wrote.
    @inline(__always)
    mutating func write(bound: Int, _ body: (inout HeadWriter) -> Void) {
        let memory = UnsafeMutableRawBufferPointer(start: reserve(bound), count: bound)
        guard var writer = HeadWriter(memory) else { return }
        body(&writer)
        count += writer.count
    }

    /// Overwrites bytes that have been written.
    mutating func overwrite(_ place: Int, with body: (UnsafeMutableRawPointer) -> Void) {
        precondition(place >= 0 && place <= count, "what is overwritten has been written")
        body(base + place)
    }

    /// Takes back everything from `place` on.
    mutating func drop(to place: Int) { count = min(count, place) }

    /// Makes room for `length` bytes more, and says where it begins.
    private mutating func reserve(_ length: Int) -> UnsafeMutableRawPointer {
        if capacity - count < length {
            capacity = max(2 * capacity, count + length)
            let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 8)
            larger.copyMemory(from: base, byteCount: count)
            base.deallocate()
            base = larger
        }
        return base + count
    }
}
