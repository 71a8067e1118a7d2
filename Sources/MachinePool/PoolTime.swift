/// A point on the pool's monotonic clock, in nanoseconds since an arbitrary start.
///
/// The reducer never reads a clock: the shell passes `ContinuousClock`, the simulator a virtual one.
package struct PoolTime: Comparable, Hashable, Sendable {
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package static let zero = PoolTime(nanoseconds: 0)

    package static func < (left: PoolTime, right: PoolTime) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Later by `span` nanoseconds; a sum past the end of time is the end of time.
    package static func + (time: PoolTime, span: Int64) -> PoolTime {
        let (sum, overflow) = time.nanoseconds.addingReportingOverflow(span)
        return PoolTime(nanoseconds: overflow ? .max : sum)
    }

    package static func - (left: PoolTime, right: PoolTime) -> Int64 { left.nanoseconds - right.nanoseconds }
}

extension Duration {
    /// Whole nanoseconds, held at the ends of `Int64`.
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, late) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        return late ? .max : sum
    }

    /// Fractional milliseconds, for people and for JSON.
    package var milliseconds: Double { Double(nanoseconds) / 1_000_000 }
}
