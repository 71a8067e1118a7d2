/// Hashes, comparisons and copies, eight bytes at a time. No byte outside the named ones is read.
enum HPACKBytes {
    /// Bits that fold upper into lower case, in a hash: what else they fold is told apart by the comparison.
    static var folding: UInt64 { 0x2020_2020_2020_2020 }

    /// Of the length and up to three words: the comparison tells apart what differs elsewhere.
    @inline(__always)
    static func hash(_ bytes: UnsafeRawPointer, _ count: Int, seed: UInt64, folding: UInt64) -> UInt64 {
        var hash = (seed ^ UInt64(truncatingIfNeeded: count)) &* multiplier
        guard count >= 8 else { return mix(hash, short(bytes, count) | folding) }
        hash = mix(hash, word(bytes, 0) | folding)
        if count > 16 { hash = mix(hash, word(bytes, count &>> 1) | folding) }
        return mix(hash, word(bytes, count &- 8) | folding)
    }

    @inline(__always)
    static func equal(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer, _ count: Int) -> Bool {
        guard count >= 8 else { return short(left, count) == short(right, count) }
        var at = 0
        while at < count &- 8 {
            if word(left, at) != word(right, at) { return false }
            at &+= 8
        }
        return word(left, count &- 8) == word(right, count &- 8)
    }

    /// Whether `name`, in any case, is `lowered`.
    @inline(__always)
    static func equal(name: UnsafeRawPointer, _ lowered: UnsafeRawPointer, _ count: Int) -> Bool {
        guard count >= 8 else { return lower(short(name, count)) == short(lowered, count) }
        var at = 0
        while at < count &- 8 {
            if lower(word(name, at)) != word(lowered, at) { return false }
            at &+= 8
        }
        return lower(word(name, count &- 8)) == word(lowered, count &- 8)
    }

    @inline(__always)
    static func copy(name: UnsafeRawPointer, _ count: Int, to memory: UnsafeMutableRawPointer) {
        guard count >= 8 else {
            for at in 0..<count {
                let byte = name.load(fromByteOffset: at, as: UInt8.self)
                memory.storeBytes(of: byte &- 0x41 < 26 ? byte | 0x20 : byte, toByteOffset: at, as: UInt8.self)
            }
            return
        }
        var at = 0
        while at < count &- 8 {
            memory.storeBytes(of: lower(word(name, at)), toByteOffset: at, as: UInt64.self)
            at &+= 8
        }
        memory.storeBytes(of: lower(word(name, count &- 8)), toByteOffset: count &- 8, as: UInt64.self)
    }

    @inline(__always)
    static func word(_ bytes: UnsafeRawPointer, _ at: Int) -> UInt64 {
        bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
    }

    /// Up to seven bytes in one word, that differs whenever they do.
    @inline(__always)
    private static func short(_ bytes: UnsafeRawPointer, _ count: Int) -> UInt64 {
        if count >= 4 {
            let first = bytes.loadUnaligned(as: UInt32.self)
            let last = bytes.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
            return UInt64(first) | UInt64(last) << 32
        }
        if count <= 0 { return 0 }
        let first = UInt64(bytes.load(as: UInt8.self))
        let middle = UInt64(bytes.load(fromByteOffset: count >> 1, as: UInt8.self))
        return first | middle << 8 | UInt64(bytes.load(fromByteOffset: count &- 1, as: UInt8.self)) << 16
    }

    /// The word with its ASCII letters in lower case.
    @inline(__always)
    private static func lower(_ word: UInt64) -> UInt64 {
        word | ByteWords.upperCase(word) >> 2
    }

    private static var multiplier: UInt64 { 0x9e37_79b9_7f4a_7c15 }

    @inline(__always)
    private static func mix(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let product = (hash ^ word) &* multiplier
        return product ^ product >> 32
    }
}
