/// Reads Huffman strings. Twelve bits at a time name one or two symbols: hardly a text has symbols with longer codes.
struct HuffmanDecoder {
    /// For each twelve bits: symbols in 16 bits, the bits of both in 8, those of the first in 4, how many symbols in 4.
    private let pairs: [UInt32]
    /// In the place of a number of bits: the first code is longer. No word has so many.
    private static var long: Int { 0xff }

    /// The table is made once; whoever decodes keeps it, as finding a global costs more than a short text.
    static let shared = HuffmanDecoder()

    /// No string of so many bytes is longer when decoded; two bytes are written at once.
    @inline(__always)
    static func bound(_ count: Int) -> Int { count &* 8 / 5 &+ 2 }

    /// Writes what the bytes stand for to `memory`, which holds `bound(count)`. Nil for what is no Huffman string.
    @inline(never)
    func decode(_ bytes: UnsafeRawPointer, _ count: Int, to memory: UnsafeMutableRawPointer) -> Int? {
        pairs.withUnsafeBufferPointer { pairs in
            guard count > 0, let pairs = pairs.baseAddress else { return 0 }
            var (bits, at) = Self.begin(bytes, count)
            var have = at &<< 3
            var out = memory
            while true {
                let pair = pairs[Int(truncatingIfNeeded: bits &>> 52)]
                var length = Int(truncatingIfNeeded: pair &>> 16 & 0xff)
                if length <= have {
                    out.storeBytes(of: UInt16(truncatingIfNeeded: pair).littleEndian, as: UInt16.self)
                    out += Int(truncatingIfNeeded: pair &>> 28)
                } else if at < count, have <= 56 {
                    Self.refill(&bits, &have, bytes, &at, count)
                    continue
                } else {
                    var symbol = Int(truncatingIfNeeded: pair & 0xff)
                    if length == Self.long {
                        (symbol, length) = Self.rare(bits)
                    } else {
                        length = Int(truncatingIfNeeded: pair &>> 24 & 15)
                    }
                    if length > have {
                        // No code: what is left is padding, at most seven ones.
                        let isPadding = have < 8 && (have == 0 || ~bits &>> UInt64(64 &- have) == 0)
                        return isPadding ? out - memory : nil
                    }
                    if symbol == HuffmanCode.endOfString { return nil }
                    out.storeBytes(of: UInt8(truncatingIfNeeded: symbol), as: UInt8.self)
                    out += 1
                }
                bits &<<= UInt64(truncatingIfNeeded: length)
                have &-= length
            }
        }
    }

    /// The first bytes, at the high end of a word, and how many these are.
    @inline(__always)
    private static func begin(_ bytes: UnsafeRawPointer, _ count: Int) -> (UInt64, Int) {
        if count >= 8 { return (HPACKBytes.word(bytes, 0).bigEndian, 8) }
        var word: UInt64 = 0
        for at in 0..<count { word = word &<< 8 | UInt64(bytes.load(fromByteOffset: at, as: UInt8.self)) }
        return (word &<< UInt64(64 &- count &* 8), count)
    }

    /// Adds whole bytes behind the bits that there are. The string has eight bytes at least: of a shorter one all were in
    /// the first word.
    @inline(__always)
    private static func refill(
        _ bits: inout UInt64, _ have: inout Int, _ bytes: UnsafeRawPointer, _ at: inout Int, _ count: Int
    ) {
        let place = min(at, count &- 8)
        let word = HPACKBytes.word(bytes, place).bigEndian &<< UInt64(truncatingIfNeeded: (at &- place) &<< 3)
        // Bits behind the last whole byte come once more the next time: they are the same ones.
        bits |= word &>> UInt64(truncatingIfNeeded: have)
        let taken = min((64 &- have) &>> 3, count &- at)
        at &+= taken
        have &+= taken &<< 3
    }

    /// A symbol whose code is longer than twelve bits, and the code's length.
    @inline(never)
    private static func rare(_ bits: UInt64) -> (symbol: Int, length: Int) {
        let code = UInt32(truncatingIfNeeded: bits &>> 32)
        for row in HuffmanCode.longRows where code <= row.last {
            let place = Int((code &- row.start) &>> UInt32(truncatingIfNeeded: 32 &- row.length))
            return (HuffmanCode.ordered[row.place &+ place], row.length)
        }
        return (HuffmanCode.endOfString, HuffmanCode.longest)
    }

    private init() {
        var pairs = [UInt32](repeating: UInt32(Self.long) << 16, count: 4096)
        let short = HuffmanCode.ordered.prefix { HuffmanCode.lengths[$0] <= 12 }
        func fill(_ code: UInt32, _ length: UInt32, _ pair: UInt32) {
            let start = Int(code << (12 - length))
            for index in start..<start + 1 << (12 - length) { pairs[index] = pair | length << 16 }
        }
        for one in short {
            let length = UInt32(HuffmanCode.lengths[one])
            let code = HuffmanCode.codes[one]
            fill(code, length, UInt32(one) | length << 24 | 1 << 28)
            for two in short where length + UInt32(HuffmanCode.lengths[two]) <= 12 {
                let more = UInt32(HuffmanCode.lengths[two])
                let symbols = UInt32(one) | UInt32(two) << 8
                fill(code << more | HuffmanCode.codes[two], length + more, symbols | length << 24 | 2 << 28)
            }
        }
        self.pairs = pairs
    }
}
