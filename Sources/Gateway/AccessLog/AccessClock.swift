import Glibc

/// Turns monotonic times into the text of the log, one formatting a second.
struct AccessClock {
    private let format: AccessLogFormat
    /// Wall clock minus monotonic clock.
    private var offset: Int64 = 0
    private var second: Int64 = -1
    private var text: [UInt8] = []

    init(format: AccessLogFormat) {
        self.format = format
        adjust(now: Worker.now())
    }

    /// Looks at the wall clock, which may have been set meanwhile.
    mutating func adjust(now: UInt64) {
        var wall = timespec()
        clock_gettime(CLOCK_REALTIME, &wall)
        offset = Int64(wall.tv_sec) * 1_000_000_000 + Int64(wall.tv_nsec) - Int64(now)
    }

    mutating func text(at now: UInt64) -> [UInt8] {
        let wall = Int64(now) + offset
        if wall / 1_000_000_000 != second {
            second = wall / 1_000_000_000
            text = Array((format == .json ? Self.iso(second) : Self.common(second)).utf8)
        }
        guard format == .json else { return text }
        let milliseconds = UInt8(truncatingIfNeeded: wall / 100_000_000 % 10)
        text[20] = 0x30 + milliseconds
        text[21] = 0x30 + UInt8(truncatingIfNeeded: wall / 10_000_000 % 10)
        text[22] = 0x30 + UInt8(truncatingIfNeeded: wall / 1_000_000 % 10)
        return text
    }

    private static func iso(_ second: Int64) -> String {
        let parts = calendar(second)
        return "\(1900 + parts.tm_year)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
            + "T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).000Z"
    }

    private static func common(_ second: Int64) -> String {
        let parts = calendar(second)
        let month = DateLine.months[Int(parts.tm_mon) % 12]
        return "\(two(parts.tm_mday))/\(month)/\(1900 + parts.tm_year)"
            + ":\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) +0000"
    }

    private static func calendar(_ second: Int64) -> tm {
        var time = time_t(second)
        var parts = tm()
        gmtime_r(&time, &parts)
        return parts
    }

    private static func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
