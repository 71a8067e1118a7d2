import Glibc

/// The Date field (RFC 9110 5.6.7) as a whole line.
enum DateLine {
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    static func make() -> [UInt8] {
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        let day = days[Int(parts.tm_wday) % 7]
        let month = months[Int(parts.tm_mon) % 12]
        let clock = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
        return Array("Date: \(day), \(two(parts.tm_mday)) \(month) \(1900 + parts.tm_year) \(clock) GMT\r\n".utf8)
    }

    private static func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
