/// Writes Huffman strings.
enum HuffmanEncoder {
    /// Codes above their lengths: of each byte, then of each byte as a name has it, letters in lower case.
    private static let table: [UInt64] = (0..<512).map { index in
        let byte = index & 255
        let symbol = index > 255 && (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
        return UInt64(HuffmanCode.codes[symbol]) << 8 | UInt64(HuffmanCode.lengths[symbol])
    }

    /// What the bytes come to when they are encoded.
    @inline(__always)
    static func length(_ bytes: UnsafeRawPointer, _ count: Int, asName: Bool) -> Int {
        table.withUnsafeBufferPointer { table in
            guard let base = table.baseAddress else { return 0 }
            let table = asName ? base + 256 : base
            var bits = 7
            for at in 0..<count {
                bits &+= Int(truncatingIfNeeded: table[Int(bytes.load(fromByteOffset: at, as: UInt8.self))] & 0xff)
            }
            return bits &>> 3
        }
    }

    /// Writes `length(bytes, count)` bytes to `memory`.
    @inline(__always)
    static func encode(_ bytes: UnsafeRawPointer, _ count: Int, asName: Bool, to memory: UnsafeMutableRawPointer) {
        table.withUnsafeBufferPointer { table in
            guard let base = table.baseAddress else { return }
            let table = asName ? base + 256 : base
            var out = memory
            var bits: UInt64 = 0
            var have = 0
            for at in 0..<count {
                let entry = table[Int(bytes.load(fromByteOffset: at, as: UInt8.self))]
                // The length stands in the low bits, which is all that a shift looks at.
                bits = bits &<< (entry & 0xff) | entry &>> 8
                have &+= Int(truncatingIfNeeded: entry & 0xff)
                if have >= 32 {
                    have &-= 32
                    let whole = UInt32(truncatingIfNeeded: bits &>> UInt64(truncatingIfNeeded: have))
                    out.storeBytes(of: whole.bigEndian, as: UInt32.self)
                    out += 4
                }
            }
            while have > 0 {
                // The padding is the beginning of the end-of-string symbol: ones.
                have &-= 8
                let byte = have >= 0 ? bits &>> UInt64(have) : bits &<< UInt64(-have) | (1 &<< UInt64(-have) - 1)
                out.storeBytes(of: UInt8(truncatingIfNeeded: byte), as: UInt8.self)
                out += 1
            }
        }
    }
}
