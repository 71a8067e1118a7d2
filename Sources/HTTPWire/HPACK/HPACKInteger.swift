/// RFC 7541, 5.1: integers that begin in the low bits of a byte; `mask` has those bits.
enum HPACKInteger {
    /// More than any length or index that a block of ours may have.
    static var largest: Int { 1 << 28 }

    @inline(__always)
    static func read(
        _ block: UnsafeRawBufferPointer, _ at: inout Int, mask: UInt8
    ) throws(HPACKError) -> Int {
        guard at < block.count, let base = block.baseAddress else { throw .truncated }
        let value = base.load(fromByteOffset: at, as: UInt8.self) & mask
        at &+= 1
        if value < mask { return Int(value) }
        return try readRest(base, block.count, &at, Int(mask))
    }

    /// How many bytes are written for a value.
    @inline(__always)
    static func size(_ value: Int, mask: UInt8) -> Int {
        if value < Int(mask) { return 1 }
        var size = 2
        var rest = value &- Int(mask)
        while rest >= 0x80 {
            size &+= 1
            rest &>>= 7
        }
        return size
    }

    @inline(never)
    private static func readRest(
        _ base: UnsafeRawPointer, _ count: Int, _ at: inout Int, _ start: Int
    ) throws(HPACKError) -> Int {
        var value = start
        for shift in stride(from: 0, to: 35, by: 7) {
            guard at < count else { throw .truncated }
            let byte = base.load(fromByteOffset: at, as: UInt8.self)
            at += 1
            value += Int(byte & 0x7f) << shift
            if value > largest { throw .integerTooLarge }
            if byte < 0x80 { return value }
        }
        throw .integerTooLarge
    }
}

extension HeadWriter {
    /// `first` has the bits above the mask.
    @inline(__always)
    mutating func put(integer value: Int, mask: UInt8, first: UInt8) {
        if value < Int(mask) { return put(byte: first | UInt8(truncatingIfNeeded: value)) }
        putRest(value &- Int(mask), first | mask)
    }

    @inline(never)
    private mutating func putRest(_ value: Int, _ first: UInt8) {
        put(byte: first)
        var rest = value
        while rest >= 0x80 {
            put(byte: 0x80 | UInt8(truncatingIfNeeded: rest))
            rest >>= 7
        }
        put(byte: UInt8(truncatingIfNeeded: rest))
    }
}
