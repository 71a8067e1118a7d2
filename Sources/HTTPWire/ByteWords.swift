/// Eight bytes looked at in one word. No byte outside the named ones is read.
enum ByteWords {
    static var each: UInt64 { 0x0101_0101_0101_0101 }
    static var signs: UInt64 { 0x8080_8080_8080_8080 }

    /// The first place from `start` on that holds `byte`, or the count.
    @inline(__always)
    static func find(_ byte: UInt8, from start: Int, in bytes: UnsafeRawBufferPointer) -> Int {
        var at = start
        while at + 8 <= bytes.count {
            // Bytes that are equal become zero, and the lowest zero byte is marked without fail.
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            let block = word ^ (each &* UInt64(byte))
            let found = (block &- each) & ~block & signs
            if found != 0 { return at + found.trailingZeroBitCount >> 3 }
            at += 8
        }
        while at < bytes.count, bytes[at] != byte { at += 1 }
        return at
    }

    /// Whether all bytes of the range pass, which `isSuspect` may say of a word at once, and `passes` says for certain.
    @inline(__always)
    static func allPass(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, unless isSuspect: (UInt64) -> Bool,
        _ passes: (UInt8) -> Bool
    ) -> Bool {
        if range.count >= 8 {
            // The last word may overlap the one before it.
            let last = range.upperBound - 8
            var at = range.lowerBound
            while true {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
                if isSuspect(word) { break }
                if at == last { return true }
                at = min(at + 8, last)
            }
        }
        for place in range where !passes(bytes[place]) { return false }
        return true
    }

    /// Whether a byte is below the limit, which is 128 at most.
    @inline(__always)
    static func holds(below limit: UInt64, _ word: UInt64) -> Bool { (word &- each &* limit) & ~word & signs != 0 }

    /// Whether a byte is above the limit, which is 127 at most.
    @inline(__always)
    static func holds(above limit: UInt64, _ word: UInt64) -> Bool {
        // Without the sign bits no sum runs over into the next byte; a byte that has one is above anyway.
        ((word & ~signs) &+ each &* (127 - limit) | word) & signs != 0
    }

    @inline(__always)
    static func holds(_ byte: UInt64, _ word: UInt64) -> Bool { holds(below: 1, word ^ each &* byte) }

    /// The sign bits of the bytes that are letters in upper case.
    @inline(__always)
    static func upperCase(_ word: UInt64) -> UInt64 {
        let low = word & ~signs
        let fromA = low &+ each &* (0x80 - 0x41)
        let afterZ = low &+ each &* (0x7f - 0x5a)
        return (fromA ^ afterZ) & ~word & signs
    }
}
