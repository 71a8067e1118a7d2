/// Numbers as sixteen hexadecimal digits in lower case.
package enum Hexadecimal {
    /// Writes sixteen bytes to `memory`.
    @inline(__always)
    package static func store(_ value: UInt64, to memory: UnsafeMutableRawPointer) {
        let high = digits(UInt32(truncatingIfNeeded: value >> 32))
        memory.storeBytes(of: high.littleEndian, as: UInt64.self)
        memory.storeBytes(of: digits(UInt32(truncatingIfNeeded: value)).littleEndian, toByteOffset: 8, as: UInt64.self)
    }

    /// Eight digits, the first one in the lowest byte: all at once, as a loop costs ten times that.
    @inline(__always)
    private static func digits(_ value: UInt32) -> UInt64 {
        var nibbles = UInt64(value)
        // Each nibble to a byte of its own, in halves of halves.
        nibbles = (nibbles | nibbles << 16) & 0x0000_ffff_0000_ffff
        nibbles = (nibbles | nibbles << 8) & 0x00ff_00ff_00ff_00ff
        nibbles = (nibbles | nibbles << 4) & 0x0f0f_0f0f_0f0f_0f0f
        let letters = (nibbles &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        // From "9" to "a" it is 39 more.
        return (nibbles &+ 0x3030_3030_3030_3030 &+ letters &* 39).byteSwapped
    }
}
