/// Writes into memory of a known size. A write past its end is a broken invariant of `sizeBound`, and traps.
package struct HeadWriter {
    private let base: UnsafeMutableRawPointer
    private let capacity: Int
    package private(set) var count = 0

    /// Nil when there is no memory to write to.
    package init?(_ memory: UnsafeMutableRawBufferPointer) {
        guard let base = memory.baseAddress else { return nil }
        self.base = base
        capacity = memory.count
    }

    @inline(__always)
    package mutating func put(_ text: StaticString) {
        copy(UnsafeRawPointer(text.utf8Start), text.utf8CodeUnitCount)
    }

    @inline(__always)
    package mutating func put(_ bytes: UnsafeRawPointer, _ range: Range<Int>) {
        copy(bytes + range.lowerBound, range.count)
    }

    @inline(__always)
    package mutating func put(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { memory in
            if let base = memory.baseAddress { copy(base, memory.count) }
        }
    }

    @inline(__always)
    package mutating func put(byte: UInt8) {
        precondition(count < capacity, "a head fits into its bound")
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    /// Memory for so many bytes, of which none count yet.
    @inline(__always)
    func room(_ length: Int) -> UnsafeMutableRawPointer {
        precondition(length <= capacity - count, "a head fits into its bound")
        return base + count
    }

    /// So many bytes, for the caller to fill.
    @inline(__always)
    mutating func claim(_ length: Int) -> UnsafeMutableRawPointer {
        let place = room(length)
        count += length
        return place
    }

    package mutating func put(decimal value: UInt64) {
        precondition(capacity - count >= 20, "a head fits into its bound")
        if value < 10 { return putDigit(value) }
        var digits = 2
        var bound: UInt64 = 100
        while value >= bound {
            digits += 1
            if digits == 20 { break }
            bound &*= 10
        }
        var rest = value
        var place = count + digits
        while place > count {
            place -= 1
            store(rest % 10, at: place)
            rest /= 10
        }
        count += digits
    }

    /// Milliseconds with three places, from microseconds.
    package mutating func put(milliseconds microseconds: UInt64) {
        let (whole, rest) = microseconds.quotientAndRemainder(dividingBy: 1000)
        put(decimal: whole)
        precondition(capacity - count >= 4, "a head fits into its bound")
        base.storeBytes(of: 0x2e, toByteOffset: count, as: UInt8.self)
        store(rest / 100, at: count + 1)
        store(rest / 10 % 10, at: count + 2)
        store(rest % 10, at: count + 3)
        count += 4
    }

    private mutating func putDigit(_ digit: UInt64) {
        store(digit, at: count)
        count += 1
    }

    /// Stores one decimal digit.
    @inline(__always)
    private func store(_ digit: UInt64, at place: Int) {
        base.storeBytes(of: 0x30 &+ UInt8(truncatingIfNeeded: digit), toByteOffset: place, as: UInt8.self)
    }

    /// Sixteen digits in lower case.
    @inline(__always)
    package mutating func put(hexadecimal16 value: UInt64) {
        precondition(capacity - count >= 16, "a head fits into its bound")
        Hexadecimal.store(value, to: base + count)
        count += 16
    }

    /// Lower case, without leading zeros.
    package mutating func put(hexadecimal value: UInt64) {
        precondition(capacity - count >= 16, "a head fits into its bound")
        var shift = value == 0 ? 0 : (63 - value.leadingZeroBitCount) & ~3
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 15
            base.storeBytes(of: digit < 10 ? 0x30 + digit : 0x57 + digit, toByteOffset: count, as: UInt8.self)
            count += 1
            shift -= 4
        }
    }

    /// The kept lines, neighbours in one copy. White space at the end of a value is left out: some readers keep it.
    mutating func put(kept fields: HeadFields, of bytes: UnsafeRawPointer) {
        var start = 0
        var end = 0
        for line in fields.lines where line.isKept {
            if Int(line.start) != end {
                if end > start { put(bytes, start..<end) }
                start = Int(line.start)
            }
            end = Int(line.end)
            if line.valueEnd &+ 2 != line.end {
                put(bytes, start..<Int(line.valueEnd))
                put("\r\n")
                start = end
            }
        }
        if end > start { put(bytes, start..<end) }
    }

    @inline(__always)
    private mutating func copy(_ source: UnsafeRawPointer, _ length: Int) {
        precondition(length <= capacity - count, "a head fits into its bound")
        (base + count).copyMemory(from: source, byteCount: length)
        count += length
    }
}
