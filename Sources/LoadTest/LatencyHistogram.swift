/// Latencies in buckets that grow with the value: every figure is right to 1 %, whatever their number.
package struct LatencyHistogram: Sendable, Equatable {
    /// Buckets for each doubling; below this many microseconds a bucket is one microsecond.
    private static let resolution = 128

    private var counts: [UInt64] = []
    package private(set) var count: UInt64 = 0
    private var sum: UInt64 = 0
    private var largest: UInt64 = 0

    package init() {}

    package mutating func record(_ latency: Duration) {
        let (seconds, attoseconds) = latency.components
        record(
            microseconds: seconds < 0
                ? 0 : UInt64(clamping: seconds) &* 1_000_000 &+ UInt64(clamping: attoseconds / 1_000_000_000_000))
    }

    private mutating func record(microseconds: UInt64) {
        let bucket = Self.bucket(microseconds)
        if bucket >= counts.count { counts += [UInt64](repeating: 0, count: bucket + 1 - counts.count) }
        counts[bucket] += 1
        count += 1
        sum &+= microseconds
        largest = max(largest, microseconds)
    }

    package mutating func add(_ other: LatencyHistogram) {
        if other.counts.count > counts.count {
            counts += [UInt64](repeating: 0, count: other.counts.count - counts.count)
        }
        for (bucket, count) in other.counts.enumerated() { counts[bucket] += count }
        count += other.count
        sum &+= other.sum
        largest = max(largest, other.largest)
    }

    /// Milliseconds that `share` of the latencies do not exceed. Nil of none.
    package func percentile(_ share: Double) -> Double? {
        guard count > 0 else { return nil }
        let rank = max(1, UInt64((share * Double(count)).rounded(.up)))
        var seen: UInt64 = 0
        for (bucket, count) in counts.enumerated() {
            seen += count
            if seen >= rank { return Double(min(Self.top(bucket), largest)) / 1000 }
        }
        return maximum
    }

    /// Milliseconds. Nil of none.
    package var mean: Double? { count > 0 ? Double(sum) / Double(count) / 1000 : nil }
    package var maximum: Double? { count > 0 ? Double(largest) / 1000 : nil }

    private static func bucket(_ value: UInt64) -> Int {
        guard value >= resolution else { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        let shift = exponent - 7
        return (shift + 1) * resolution + Int(value >> UInt64(shift)) - resolution
    }

    /// The largest value of a bucket.
    private static func top(_ bucket: Int) -> UInt64 {
        guard bucket >= resolution else { return UInt64(bucket) }
        let shift = UInt64(bucket / resolution - 1)
        return (UInt64(bucket % resolution + resolution) + 1) << shift - 1
    }
}
