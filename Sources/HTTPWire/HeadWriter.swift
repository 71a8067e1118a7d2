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

    package mutating func put(decimal value: UInt64) {
        precondition(capacity - count >= 20, "a head fits into its bound")
        var digits = 1
        var bound: UInt64 = 10
        while value >= bound {
            digits += 1
            if digits == 20 { break }
            bound &*= 10
        }
        digit(value, count + digits)
        count += digits
    }

    /// Milliseconds with three places, from microseconds.
    package mutating func put(milliseconds microseconds: UInt64) {
        put(decimal: microseconds / 1000)
        precondition(capacity - count >= 4, "a head fits into its bound")
        base.storeBytes(of: 0x2e, toByteOffset: count, as: UInt8.self)
        digit(1000 + microseconds % 1000, count + 4, stop: 3)
        count += 4
    }

    /// Stores the decimal digits of `value` so that they end before `end`; no more than `stop` of them.
    private func digit(_ value: UInt64, _ end: Int, stop: Int = 20) {
        var rest = value
        var place = end
        repeat {
            place -= 1
            base.storeBytes(of: 0x30 + UInt8(truncatingIfNeeded: rest % 10), toByteOffset: place, as: UInt8.self)
            rest /= 10
        } while rest > 0 && end - place < stop
    }

    /// Sixteen digits in lower case.
    @inline(__always)
    package mutating func put(hexadecimal16 value: UInt64) {
        precondition(capacity - count >= 16, "a head fits into its bound")
        // Each nibble to a byte of its own, then all sixteen to digits at once.
        var spread = SIMD16<UInt8>()
        for index in 0..<16 { spread[index] = UInt8(truncatingIfNeeded: value >> UInt64(60 - index * 4)) & 15 }
        let digits = spread &+ SIMD16(repeating: 0x30)
        let letters = spread &+ SIMD16(repeating: 0x57)
        (base + count).storeBytes(
            of: digits.replacing(with: letters, where: spread .> SIMD16(repeating: 9)), as: SIMD16<UInt8>.self)
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
