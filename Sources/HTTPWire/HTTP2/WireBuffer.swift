/// Bytes on their way out.
package struct WireBuffer: ~Copyable {
    private var base: UnsafeMutableRawPointer?
    private var capacity = 0
    package private(set) var count = 0

    package init() {}

    deinit { base?.deallocate() }

    package var isEmpty: Bool { count == 0 }
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// Forgets the bytes, and gives back the memory if it is large.
    mutating func clear() {
        count = 0
        if capacity > Self.mostKept { release() }
    }

    private static let mostKept = 64 * 1024

    /// Forgets the bytes and gives back the memory: what many connections need one after the other stays in the cache.
    package mutating func release() {
        base?.deallocate()
        (base, capacity, count) = (nil, 0, 0)
    }

    /// Takes back everything from `place` on.
    mutating func drop(to place: Int) { count = min(count, place) }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    mutating func append(_ text: StaticString) {
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
        if let base { body(base + place) }
    }

    /// Makes room for `length` bytes more, and says where it begins.
    private mutating func reserve(_ length: Int) -> UnsafeMutableRawPointer {
        if let base, capacity - count >= length { return base + count }
        capacity = max(2 * capacity, count + length, 1024)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 8)
        if let base { larger.copyMemory(from: base, byteCount: count) }
        base?.deallocate()
        base = larger
        return larger + count
    }
}

/// Memory for what is read and used at once; one for all sessions of a thread.
package final class HTTP2Scratch {
    /// What goes with an event.
    package internal(set) var text = WireBuffer()
    /// Decoded fields, before they are judged.
    var fields: [UInt8] = []

    package init() {}
}
