/// A number of bytes, spelt by users as `256`, `256M` or `1G`; a plain number is MiB.
package struct MemorySize: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    package let bytes: UInt64

    package init(bytes: UInt64) {
        self.bytes = bytes
    }

    package static func mebibytes(_ count: UInt64) -> MemorySize { MemorySize(bytes: count << 20) }

    /// nil unless `text` is a positive whole number with an optional unit: K, M, G, T (also KiB, MB, …, all binary).
    package init?(_ text: String) {
        let lower = text.lowercased()
        let digits = lower.prefix { $0.isASCII && $0.isNumber }
        guard let count = UInt64(digits), count > 0 else { return nil }
        let shift: UInt64
        switch lower.dropFirst(digits.count) {
        case "k", "kb", "kib": shift = 10
        case "", "m", "mb", "mib": shift = 20
        case "g", "gb", "gib": shift = 30
        case "t", "tb", "tib": shift = 40
        default: return nil
        }
        guard count <= UInt64.max >> (shift + 1) else { return nil }
        bytes = count << shift
    }

    package var mebibytes: UInt64 { bytes >> 20 }

    package static func < (left: MemorySize, right: MemorySize) -> Bool { left.bytes < right.bytes }

    package var description: String {
        bytes >= 1 << 30 && bytes % (1 << 30) == 0 ? "\(bytes >> 30) GiB" : "\(mebibytes) MiB"
    }
}
