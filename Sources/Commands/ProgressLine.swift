import Images
import Synchronization

/// A line on the terminal that says what takes long; plain lines, and fewer of them, elsewhere.
final class ProgressLine: Sendable {
    private let quiet: Bool
    private let last = Mutex("")

    init(quiet: Bool) {
        self.quiet = quiet
    }

    func show(_ text: String) {
        if quiet { return }
        last.withLock { last in
            if text == last { return }
            if Output.stderrIsTerminal {
                Output.write("\r\u{1b}[K" + text.terminalSafe, to: 2)
            } else if words(text) != words(last) {
                Output.talk("fcctl: " + text.terminalSafe)
            }
            last = text
        }
    }

    /// Leaves no half line behind.
    func end() {
        last.withLock { last in
            if !last.isEmpty, Output.stderrIsTerminal, !quiet { Output.write("\r\u{1b}[K", to: 2) }
            last = ""
        }
    }

    /// The text without its numbers: the same words again are no news in a log.
    private func words(_ text: String) -> String {
        text.filter { !$0.isNumber && $0 != "." && $0 != "%" }
    }
}

enum ImageWords {
    static func describe(_ progress: ImageProgress, _ image: String) -> String {
        switch progress {
        case .waiting: "\(image): another process builds this image, waiting for it"
        case .fetching(let bytes): "\(image): fetching from the container engine, \(size(bytes))"
        case .unpacking(let bytes): "\(image): unpacking, \(size(bytes))"
        case .layer(let number, let count, let bytes, let whole):
            "\(image): layer \(number) of \(count), \(whole > 0 ? bytes * 100 / whole : 100)%"
        case .finishing: "\(image): finishing"
        }
    }

    private static func size(_ bytes: UInt64) -> String { "\(bytes >> 20) MiB" }
}
