import Machines

/// The phases of a start as text: a name, milliseconds and a bar that shows where on the way it was.
enum Waterfall {
    static func render(_ phases: StartPhases, width: Int = 40) -> String {
        let total = max(phases.total, 0.001)
        var elapsed = 0.0
        var lines: [String] = []
        for (name, milliseconds) in phases.steps {
            let begin = Int((elapsed / total * Double(width)).rounded(.down))
            elapsed += milliseconds
            let end = max(begin + 1, Int((elapsed / total * Double(width)).rounded(.down)))
            let bar = String(repeating: " ", count: begin) + String(repeating: "█", count: min(end, width + 1) - begin)
            lines.append("  " + pad(name, 10) + padLeft(text(milliseconds), 10) + "  " + bar)
        }
        lines.append("  " + pad("total", 10) + padLeft(text(phases.total), 10))
        return lines.joined(separator: "\n")
    }

    /// `12 ms`, `2.5 s`, `0.4 ms`.
    static func text(_ milliseconds: Double) -> String {
        if milliseconds >= 10_000 { return "\((milliseconds / 100).rounded() / 10) s" }
        if milliseconds >= 10 { return "\(Int(milliseconds.rounded())) ms" }
        return "\((milliseconds * 10).rounded() / 10) ms"
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func padLeft(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
