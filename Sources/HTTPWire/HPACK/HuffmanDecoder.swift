/// Reads Huffman strings. Twelve bits at a time name one or two symbols: hardly a text has symbols with longer codes.
enum HuffmanDecoder {
    /// No string of so many bytes is longer when decoded; two bytes are written at once.
    @inline(__always)
    static func bound(_ count: Int) -> Int { count &* 8 / 5 &+ 2 }

    /// Writes what the bytes stand for to `memory`, which holds `bound(count)`. Nil for what is no Huffman string.
    static func decode(_ bytes: UnsafeRawPointer, _ count: Int, to memory: UnsafeMutableRawPointer) -> Int? {
        pairs.withUnsafeBufferPointer { pairs in
            guard let pairs = pairs.baseAddress else { return nil }
            var bits: UInt64 = 0
            var have = 0
            var at = 0
            var out = 0
            while true {
                if at &+ 8 <= count {
                    // The bits behind the whole bytes are read once more: they are the same ones.
                    bits |= HPACKBytes.word(bytes, at).bigEndian &>> UInt64(truncatingIfNeeded: have)
                    let taken = (63 &- have) &>> 3
                    at &+= taken
                    have &+= taken &<< 3
                } else {
                    while have <= 56, at < count {
                        let byte = UInt64(bytes.load(fromByteOffset: at, as: UInt8.self))
                        bits |= byte &<< UInt64(truncatingIfNeeded: 56 &- have)
                        have &+= 8
                        at &+= 1
                    }
                    if have < HuffmanCode.longest { break }
                }
                while have >= HuffmanCode.longest {
                    let pair = pairs[Int(truncatingIfNeeded: bits &>> 52)]
                    var length = Int(truncatingIfNeeded: pair.length)
                    if length != 0 {
                        memory.storeBytes(of: pair.symbols.littleEndian, toByteOffset: out, as: UInt16.self)
                        out &+= Int(truncatingIfNeeded: pair.count)
                    } else {
                        let (symbol, bits) = rare(bits)
                        if symbol == HuffmanCode.endOfString { return nil }
                        memory.storeBytes(of: UInt8(truncatingIfNeeded: symbol), toByteOffset: out, as: UInt8.self)
                        out &+= 1
                        length = bits
                    }
                    bits &<<= UInt64(truncatingIfNeeded: length)
                    have &-= length
                }
            }
            return end(pairs, bits, have, memory, out)
        }
    }

    /// The last bits: symbols one by one, then at most seven ones.
    @inline(__always)
    private static func end(
        _ pairs: UnsafePointer<Pair>, _ rest: UInt64, _ left: Int, _ memory: UnsafeMutableRawPointer, _ written: Int
    ) -> Int? {
        var bits = rest
        var have = left
        var out = written
        while have > 0 {
            let pair = pairs[Int(truncatingIfNeeded: bits &>> 52)]
            var symbol = Int(pair.symbols & 0xff)
            var length = Int(pair.first)
            if length == 0 { (symbol, length) = rare(bits) }
            if length > have {
                // A code goes on behind the end: what is there is padding.
                return have < 8 && ~bits &>> UInt64(truncatingIfNeeded: 64 &- have) == 0 ? out : nil
            }
            if symbol == HuffmanCode.endOfString { return nil }
            memory.storeBytes(of: UInt8(truncatingIfNeeded: symbol), toByteOffset: out, as: UInt8.self)
            out &+= 1
            bits &<<= UInt64(truncatingIfNeeded: length)
            have &-= length
        }
        return out
    }

    /// A symbol whose code is longer than twelve bits, and the code's length.
    @inline(never)
    private static func rare(_ bits: UInt64) -> (symbol: Int, length: Int) {
        let code = UInt32(truncatingIfNeeded: bits &>> 32)
        for row in rows where code <= row.last {
            let place = Int((code &- row.start) &>> UInt32(truncatingIfNeeded: 32 &- row.length))
            return (HuffmanCode.ordered[row.place &+ place], row.length)
        }
        return (HuffmanCode.endOfString, HuffmanCode.longest)
    }

    /// The codes of one length, at the high end of a word.
    private struct Row {
        let length: Int
        let start: UInt32
        let last: UInt32
        let place: Int
    }

    private static let rows: [Row] = (13...HuffmanCode.longest).compactMap { length in
        let symbols = HuffmanCode.ordered.filter { Int(HuffmanCode.lengths[$0]) == length }
        guard let first = symbols.first, let place = HuffmanCode.ordered.firstIndex(of: first) else { return nil }
        let shift = UInt32(32 - length)
        let start = HuffmanCode.codes[first] << shift
        return Row(length: length, start: start, last: start + (UInt32(symbols.count) << shift - 1), place: place)
    }

    private struct Pair {
        var symbols: UInt16 = 0
        /// Bits of both symbols; none when the first code is too long.
        var length: UInt8 = 0
        /// Bits of the first symbol, and how many there are above them.
        var parts: UInt8 = 0

        var first: UInt8 { parts & 15 }
        var count: UInt8 { parts >> 4 }
    }

    private static let pairs: [Pair] = {
        var pairs = [Pair](repeating: Pair(), count: 4096)
        let short = HuffmanCode.ordered.prefix { HuffmanCode.lengths[$0] <= 12 }
        func fill(_ code: Int, _ length: Int, _ pair: Pair) {
            let start = code << (12 - length)
            for index in start..<start + 1 << (12 - length) { pairs[index] = pair }
        }
        for one in short {
            let length = Int(HuffmanCode.lengths[one])
            let code = Int(HuffmanCode.codes[one])
            var pair = Pair(symbols: UInt16(one), length: UInt8(length), parts: UInt8(length) | 1 << 4)
            fill(code, length, pair)
            for two in short where length + Int(HuffmanCode.lengths[two]) <= 12 {
                let both = length + Int(HuffmanCode.lengths[two])
                pair.symbols = UInt16(one) | UInt16(two) << 8
                pair.length = UInt8(both)
                pair.parts = UInt8(length) | 2 << 4
                fill(code << Int(HuffmanCode.lengths[two]) | Int(HuffmanCode.codes[two]), both, pair)
            }
        }
        return pairs
    }()
}
