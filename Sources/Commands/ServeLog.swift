import Logging

/// Log lines of a running gateway: warnings and errors on stderr, one line each.
enum ServeLog {
    static func logger(quiet: Bool) -> Logger {
        var logger = Logger(label: "fcctl") { _ in LineLog() }
        logger.logLevel = quiet ? .error : .warning
        return logger
    }
}

struct LineLog: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.warning

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        let fields = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        Output.talk("fcctl: \(event.level): \(event.message)\(fields)".terminalSafe)
    }
}
