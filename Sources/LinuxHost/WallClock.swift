import Glibc

package enum WallClock {
    /// Nanoseconds since 1970 by CLOCK_REALTIME.
    package static func nanoseconds() -> UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }

    package static func seconds() -> Int64 { Int64(nanoseconds() / 1_000_000_000) }
}
