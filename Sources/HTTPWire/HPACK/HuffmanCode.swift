/// The code of RFC 7541, appendix B. Codes of one length ascend with their symbols, so the lengths say everything.
enum HuffmanCode {
    static let lengths: [UInt8] = [
        13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28,
        28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15,
        6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
        15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22,
        20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23,
        23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22,
        22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26,
        27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27,
        26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
    ]
    static let endOfString = 256
    static let longest = 30

    /// Symbols by their codes, ascending.
    static let ordered: [Int] = lengths.indices.sorted { (lengths[$0], $0) < (lengths[$1], $1) }

    /// The code of each symbol, in its low bits.
    static let codes: [UInt32] = {
        var codes = [UInt32](repeating: 0, count: lengths.count)
        var next: UInt64 = 0
        for symbol in ordered {
            let length = UInt64(lengths[symbol])
            codes[symbol] = UInt32(truncatingIfNeeded: next >> (32 - length))
            next += 1 << (32 - length)
        }
        return codes
    }()

    /// The codes of one length, at the high end of a word.
    struct Row {
        let length: Int
        let start: UInt32
        let last: UInt32
        /// Of the first one, in `ordered`.
        let place: Int
    }

    /// Codes longer than twelve bits.
    static let longRows: [Row] = (13...longest).compactMap { length in
        let symbols = ordered.filter { Int(lengths[$0]) == length }
        guard let first = symbols.first, let place = ordered.firstIndex(of: first) else { return nil }
        let shift = UInt32(32 - length)
        let start = codes[first] << shift
        return Row(length: length, start: start, last: start + (UInt32(symbols.count) << shift - 1), place: place)
    }
}
