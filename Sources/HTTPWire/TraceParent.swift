/// The `traceparent` field of W3C Trace Context: one is made for requests that bring none, or none that is valid.
package struct TraceParent: Sendable {
    /// The 128 bits of the trace's id.
    package let high: UInt64
    package let low: UInt64
    /// The id of the span that the gateway stands for.
    package let span: UInt64

    package init(high: UInt64, low: UInt64, span: UInt64) {
        self.high = high
        self.low = low
        self.span = span
    }

    /// The flag says "sampled", as for a trace that the app itself begins: an app that samples by its parent would
    /// otherwise record nothing at all.
    func write(to writer: inout HeadWriter) {
        writer.put("00-")
        writer.put(hexadecimal16: high)
        writer.put(hexadecimal16: low)
        writer.put("-")
        writer.put(hexadecimal16: span)
        writer.put("-01")
    }

    /// `00-<32>-<16>-<2>` in lower case hexadecimal, ids not all zeros. A later version may say more behind another dash.
    static func isValid(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
        let count = end - start
        guard count >= 55, isHexadecimal(bytes, start, 2), isHexadecimal(bytes, start + 53, 2) else { return false }
        let isFirstVersion = bytes[start] == Octet.zero && bytes[start + 1] == Octet.zero
        if bytes[start] == 0x66, bytes[start + 1] == 0x66 { return false }
        if count > 55, isFirstVersion || bytes[start + 55] != Octet.dash { return false }
        guard bytes[start + 2] == Octet.dash, bytes[start + 35] == Octet.dash, bytes[start + 52] == Octet.dash else {
            return false
        }
        return isID(bytes, start + 3, 32) && isID(bytes, start + 36, 16)
    }

    private static func isHexadecimal(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ count: Int) -> Bool {
        for index in start..<(start + count) where bytes[index] &- 0x30 > 9 && bytes[index] &- 0x61 > 5 { return false }
        return true
    }

    private static func isID(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ count: Int) -> Bool {
        guard isHexadecimal(bytes, start, count) else { return false }
        for index in start..<(start + count) where bytes[index] != Octet.zero { return true }
        return false
    }
}
