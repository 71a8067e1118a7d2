import MachinePool

/// Machines over time as SVG: a stepped line for each policy, the bound as an area behind them.
struct SimulationChart {
    let title: String
    let comparison: PolicyComparison
    /// `--max`, drawn as a dashed line.
    let limit: Int

    private static let size = (width: 960.0, height: 400.0)
    private static let plot = (left: 56.0, right: 16.0, top: 56.0, bottom: 40.0)
    private static let colours = ["#1f77b4", "#d9730d", "#2a8f4e"]

    func render() -> String {
        var parts = [
            """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 400" width="960" height="400" role="img" \
            font-family="system-ui, sans-serif" font-size="12">
            <title>Machines over time: \(Self.escaped(title))</title>
            <rect width="960" height="400" fill="white"/>
            <text x="56" y="22" font-size="15" fill="#222">Machines over time: \(Self.escaped(title))</text>
            """
        ]
        parts += axes()
        parts.append("<path d=\"\(area(comparison.bound))\" fill=\"#ccc\" fill-opacity=\"0.7\"/>")
        let names = comparison.policies.map(\.name)
        for (index, policy) in comparison.policies.enumerated() {
            parts.append(
                "<path d=\"\(line(policy.result))\" fill=\"none\" stroke=\"\(colour(index))\" stroke-width=\"1.5\"/>")
        }
        parts += legend(names)
        return parts.joined(separator: "\n") + "\n</svg>\n"
    }

    private var end: Double {
        max(1, ([comparison.bound] + comparison.policies.map(\.result)).compactMap { $0.course.last?.time }.max() ?? 1)
    }

    private var top: Int {
        max(limit, comparison.policies.map(\.result.peakMachines).max() ?? 0, comparison.bound.peakMachines, 1)
    }

    private func x(_ time: Double) -> String {
        Self.number(Self.plot.left + time / end * (Self.size.width - Self.plot.left - Self.plot.right))
    }

    private func y(_ machines: Double) -> String {
        let height = Self.size.height - Self.plot.top - Self.plot.bottom
        return Self.number(Self.size.height - Self.plot.bottom - machines / Double(top) * height)
    }

    private func line(_ result: SimulationResult) -> String {
        var path = "M\(x(0)) \(y(0))"
        var last = 0.0
        for point in result.course where point.machines != last {
            path += "H\(x(point.time))V\(y(point.machines))"
            last = point.machines
        }
        return path + "H\(x(end))"
    }

    private func area(_ result: SimulationResult) -> String { line(result) + "V\(y(0))Z" }

    private func axes() -> [String] {
        let ticks = Self.ticks(Double(top), integral: true).map { value in
            "<path d=\"M\(x(0)) \(y(value))H\(x(end))\" stroke=\"#eee\"/>"
                + "<text x=\"48\" y=\"\(y(value))\" dy=\"4\" text-anchor=\"end\" fill=\"#555\">\(Int(value))</text>"
        }
        let times = Self.ticks(end, integral: false).map { value in
            "<text x=\"\(x(value))\" y=\"378\" text-anchor=\"middle\" fill=\"#555\">\(Self.number(value)) s</text>"
        }
        let ceiling = "<path d=\"M\(x(0)) \(y(Double(limit)))H\(x(end))\" stroke=\"#999\" stroke-dasharray=\"4 4\"/>"
        return ticks + times + [ceiling, "<path d=\"M\(x(0)) \(y(0))H\(x(end))\" stroke=\"#555\"/>"]
    }

    private func legend(_ names: [String]) -> [String] {
        (names + ["bound"]).enumerated().map { index, name in
            let left = 56 + index * 110
            let fill = index < names.count ? colour(index) : "#ccc"
            return "<rect x=\"\(left)\" y=\"34\" width=\"12\" height=\"12\" fill=\"\(fill)\"/>"
                + "<text x=\"\(left + 18)\" y=\"44\" fill=\"#222\">\(Self.escaped(name))</text>"
        }
    }

    private func colour(_ index: Int) -> String { Self.colours[index % Self.colours.count] }

    /// Four to eight round values from 0 to `end`.
    private static func ticks(_ end: Double, integral: Bool) -> [Double] {
        var step = 1.0
        if !integral { while end / step < 4, step > 1e-3 { step /= 10 } }
        var turn = 0
        while end / step > 8 {
            // 1, 2, 5, 10, 20, 50 and so on.
            step *= turn % 3 == 1 ? 2.5 : 2
            turn += 1
        }
        return Array(stride(from: 0, through: end, by: step))
    }

    /// At most two places, no trailing zeros.
    private static func number(_ value: Double) -> String {
        let text = "\((value * 100).rounded() / 100)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    private static func escaped(_ text: String) -> String {
        text.map { character in
            switch character {
            case "&": "&amp;"
            case "<": "&lt;"
            case ">": "&gt;"
            default: String(character)
            }
        }.joined()
    }
}
