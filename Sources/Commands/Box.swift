/// Lines in a frame with round corners.
enum Box {
    static func around(_ lines: [String]) -> String {
        // The flame is one character and two columns wide.
        let columns = lines.map { $0.count + ($0.contains("🔥") ? 1 : 0) }
        let width = max(38, columns.max() ?? 0) + 2
        let body = zip(lines, columns).map { line, columns in
            "│ \(line)\(String(repeating: " ", count: width - 1 - columns))│"
        }
        let rule = String(repeating: "─", count: width)
        return (["╭\(rule)╮"] + body + ["╰\(rule)╯"]).joined(separator: "\n")
    }
}
