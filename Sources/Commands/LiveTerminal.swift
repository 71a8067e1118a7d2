/// Redraws a few lines in place; everything else that is printed goes above them.
struct LiveTerminal {
    private var shown: [String] = []

    init() {}

    /// The bytes that turn what is on the screen into `lines`; empty when nothing has changed.
    mutating func update(to lines: [String]) -> String {
        if lines == shown { return "" }
        let text = erase() + lines.joined(separator: "\n") + "\n"
        shown = lines
        return text
    }

    /// The bytes that print `message` above the lines and draw them again.
    mutating func print(_ message: String, above lines: [String]) -> String {
        let text = erase() + message + "\n" + lines.joined(separator: "\n") + "\n"
        shown = lines
        return text
    }

    /// Cursor to the first shown line, then clear to the end of the screen.
    private func erase() -> String {
        shown.isEmpty ? "" : "\u{1b}[\(shown.count)A\r\u{1b}[J"
    }
}
