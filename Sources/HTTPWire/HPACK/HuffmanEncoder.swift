/// Writes Huffman strings.
struct HuffmanEncoder {
    private struct Code {
        let bits: UInt32
        let length: UInt32
    }

    /// The code of each byte, then those of each byte in a name, where letters are small.
    private let codes: [Code] = (0..<512).map { index in
        let byte = index & 255
        let symbol = index > 255 && (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
        return Code(bits: HuffmanCode.codes[symbol], length: UInt32(HuffmanCode.lengths[symbol]))
    }

    /// The table is made once; whoever encodes keeps it, as finding a global costs more than a short text.
    static let shared = HuffmanEncoder()

    /// Writes the codes to `memory` and says how many bytes they take, 0 when these are no fewer than `count`. Nothing is
    /// written behind so many.
    @inline(never)
    func encode(_ bytes: UnsafeRawPointer, _ count: Int, asName: Bool, to memory: UnsafeMutableRawPointer) -> Int {
        codes.withUnsafeBufferPointer { codes in
            guard let base = codes.baseAddress else { return 0 }
            let codes = asName ? base + 256 : base
            // What is written ends before this.
            let end = memory + count
            var out = memory
            var bits: UInt64 = 0
            var have: UInt32 = 0
            for at in 0..<count {
                let code = codes[Int(bytes.load(fromByteOffset: at, as: UInt8.self))]
                bits = bits &<< UInt64(code.length) | UInt64(code.bits)
                have &+= code.length
                if have >= 32 {
                    if end - out <= 4 { return 0 }
                    have &-= 32
                    out.storeBytes(of: UInt32(truncatingIfNeeded: bits &>> UInt64(have)).bigEndian, as: UInt32.self)
                    out += 4
                }
            }
            // The padding is the beginning of the end-of-string symbol: ones.
            let rest = Int((have &+ 7) &>> 3)
            if end - out <= rest { return 0 }
            var last = UInt32(truncatingIfNeeded: bits &<< UInt64(32 &- have)) | (1 &<< (32 &- have) &- 1)
            for _ in 0..<rest {
                out.storeBytes(of: UInt8(truncatingIfNeeded: last &>> 24), as: UInt8.self)
                last &<<= 8
                out += 1
            }
            return out - memory
        }
    }
}
