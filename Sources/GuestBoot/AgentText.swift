// The agent protocol's values in words, for messages to users.

extension AgentProtocolError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .badLength(let length): "the guest's agent sent a frame of \(length) bytes, which its protocol forbids"
        case .unknownType(let type): "the guest's agent sent a frame of the unknown type \(type)"
        case .malformed(let type): "the guest's agent sent a malformed frame of type \(type)"
        case .helloExpected: "the guest's agent did not begin with its hello"
        case .wrongVersion(let version): "the guest's agent speaks version \(version) of the protocol"
        }
    }
}

extension AppExit: CustomStringConvertible {
    /// A clause for "the app …".
    package var description: String {
        if !message.isEmpty { return "could not be started: \(String(decoding: message, as: UTF8.self))" }
        return signal == 0 ? "exited with code \(code)" : "was killed by \(Self.name(ofSignal: signal))"
    }

    /// What a shell would report: 128 + signal for a killed app.
    package var status: UInt8 { signal == 0 ? code : 128 &+ signal }

    private static func name(ofSignal number: UInt8) -> String {
        let names: [UInt8: String] = [
            1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL",
            11: "SIGSEGV", 13: "SIGPIPE", 15: "SIGTERM", 31: "SIGSYS",
        ]
        return names[number].map { "signal \(number) (\($0))" } ?? "signal \(number)"
    }
}

/// What PID 1 printed on the console at its end, for a host that was not connected to the agent. The guest controls the
/// console: treat it as its word, not as a fact.
package enum ConsoleReport: Equatable, Sendable {
    /// The app ended; `log` is the end of what it wrote.
    case ended(AppExit, log: String)
    /// The guest could not boot the image; the text says at which step.
    case failed(String)

    /// Finds the last report in a console log.
    package init?(in console: [UInt8]) {
        let text = String(decoding: console.suffix(64 << 10), as: UTF8.self)
        let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        let marks = ["fcctl: app ended ", "fcctl: guest failed: "]
        guard let index = lines.lastIndex(where: { line in marks.contains { line.hasPrefix($0) } }) else { return nil }
        let line = lines[index]
        if line.hasPrefix(marks[1]) {
            self = .failed(String(line.dropFirst(marks[1].count)))
            return
        }
        let words = line.dropFirst(marks[0].count).split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count == 3, words[0].hasPrefix("code="), words[1].hasPrefix("signal="),
            let code = UInt8(words[0].dropFirst(5)), let signal = UInt8(words[1].dropFirst(7))
        else { return nil }
        let log = lines[(index + 1)...].filter { !$0.contains("reboot: ") }.joined(separator: "\n")
        self = .ended(AppExit(code: code, signal: signal, message: Array(words[2].utf8)), log: log)
    }
}
