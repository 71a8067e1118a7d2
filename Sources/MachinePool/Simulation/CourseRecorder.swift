/// Turns changes of the number of machines into about a thousand points for a chart.
struct CourseRecorder: Sendable {
    private let step: Double
    private(set) var points: [SimulationResult.CoursePoint] = []
    private var level = 0.0
    private var since = 0.0
    /// Machine-seconds, and the most that waited, in the span that has begun.
    private var area = 0.0
    private var waiting = 0
    private var end: Double

    init(_ trace: SimulationTrace) {
        step = max(0.1, (trace.requests.lazy.map { $0.arrival + $0.service }.max() ?? 0) / 1000)
        end = step
    }

    /// From `time` on there are so many.
    mutating func record(_ time: Double, machines: Int, waiting now: Int) {
        advance(to: time)
        level = Double(machines)
        waiting = max(waiting, now)
    }

    private mutating func advance(to time: Double) {
        if time >= end {
            area += level * (end - since)
            points.append(.init(time: end - step, machines: area / step, waiting: waiting))
            since = end
            area = 0
            waiting = 0
            // Spans in which nothing changed need one point for all of them.
            let whole = ((time - end) / step).rounded(.down)
            if whole > 0 { points.append(.init(time: end, machines: level, waiting: 0)) }
            since += whole * step
            end += (whole + 1) * step
        }
        area += level * max(0, time - since)
        since = max(since, time)
    }
}
