/// What `serve` shows on a terminal: a box that says what is served, and lines that follow the pool.
struct StatusBlock: Equatable {
    struct Start: Equatable {
        let word: String
        let count: Int
        /// Mean, nil while there was none.
        let milliseconds: Double?
    }

    var url: String
    var image: String
    var max: Int
    var idle = 0
    var busy = 0
    var paused = 0
    var booting = 0
    var active = 0
    var queued = 0
    var total = 0
    var starts: [Start] = []

    var box: String {
        Box.around(["🔥 fcctl gateway", "", url, "image=\(image) max=\(max)"])
    }

    var lines: [String] {
        let queue = queued > 0 ? " (\(queued) queued)" : ""
        let starts = starts.filter { $0.count > 0 }.map { start in
            "\(start.count) \(start.word)" + (start.milliseconds.map { " (\(StatusBlock.duration($0)))" } ?? "")
        }
        return [
            "Instances: \(idle) idle \(busy) busy \(paused) paused \(booting) booting",
            "Requests:  \(active) active\(queue) / \(StatusBlock.grouped(total)) total",
            "Starts:    " + (starts.isEmpty ? "none yet" : starts.joined(separator: " ")),
            "Status:    \(url)/api/status",
        ]
    }

    /// Idle and busy count together: which of them a machine is changes with every request.
    var instances: [Int] { [idle + busy, paused, booting] }

    /// One line for a log file or a pipe.
    var plainLine: String {
        "instances idle=\(idle) busy=\(busy) paused=\(paused) booting=\(booting) requests active=\(active) "
            + "queued=\(queued) total=\(total)"
    }

    /// `9ms`, `1.2s`.
    static func duration(_ milliseconds: Double) -> String {
        if milliseconds < 1 { return "\((milliseconds * 100).rounded() / 100)ms" }
        if milliseconds < 1000 { return "\(Int(milliseconds.rounded()))ms" }
        return "\((milliseconds / 100).rounded() / 10)s"
    }

    /// `1,847`.
    static func grouped(_ number: Int) -> String {
        var text = ""
        for (index, digit) in String(number).reversed().enumerated() {
            if index > 0, index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }
}
