/// From what an image says to what may be passed on to a guest.
extension RunConfiguration {
    /// The kernel's limit for one argument or variable, less its final zero.
    private static let stringLimit = 128 << 10
    private static let totalLimit = 1 << 20
    private static let countLimit = 4096

    /// `users` looks names up in the image; throws `badData` for what no kernel could start.
    init(_ document: ConfigurationDocument, users: UserLookup) throws(ImageError) {
        let run = document.config
        let environment = try RunConfiguration.environment(run?.Env ?? [])
        self.init(
            entrypoint: run?.Entrypoint ?? [], command: run?.Cmd ?? [], environment: environment,
            workingDirectory: try RunConfiguration.directory(run?.WorkingDir ?? ""),
            user: try users.user(run?.User ?? ""), stopSignal: try RunConfiguration.signal(run?.StopSignal ?? ""),
            exposedPorts: try RunConfiguration.ports(run?.ExposedPorts.map { Array($0.keys) } ?? []))
        try RunConfiguration.check(entrypoint + command, "argument")
        try RunConfiguration.check(environment, "environment variable")
    }

    private static func check(_ texts: [String], _ what: String) throws(ImageError) {
        var total = 0
        for text in texts {
            if text.utf8.contains(0) { throw bad("an \(what) contains a NUL byte") }
            total += text.utf8.count + 1
            guard text.utf8.count < stringLimit else { throw bad("an \(what) is longer than 128 KiB") }
        }
        guard total <= totalLimit, texts.count <= countLimit else {
            throw bad("its \(what)s are more than a process can be started with (1 MiB, \(countLimit))")
        }
    }

    /// The last value of each name counts, as in every container runtime; a word without "=" sets nothing.
    private static func environment(_ entries: [String]) throws(ImageError) -> [String] {
        var order: [Substring] = []
        var values: [Substring: String] = [:]
        for entry in entries {
            guard let equals = entry.firstIndex(of: "=") else { continue }
            let name = entry[..<equals]
            if name.isEmpty { throw bad("an environment variable has no name") }
            if values.updateValue(entry, forKey: name) == nil { order.append(name) }
        }
        return order.compactMap { values[$0] }
    }

    private static func directory(_ text: String) throws(ImageError) -> String {
        if text.utf8.contains(0) { throw bad("the working directory contains a NUL byte") }
        guard text.utf8.count < 4096 else { throw bad("the working directory is longer than a path can be") }
        var parts: [Substring] = []
        for part in text.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    /// `8080/tcp`, `8080` or `8080-8090/tcp`; other protocols are not for an HTTP gateway.
    private static func ports(_ keys: [String]) throws(ImageError) -> [UInt16] {
        var ports: Set<UInt16> = []
        for key in keys {
            let parts = key.split(separator: "/", omittingEmptySubsequences: false)
            let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
            guard parts.count <= 2, let first = ends[0], first > 0, ends.count <= 2, let last = ends[ends.count - 1],
                first <= last
            else { throw bad("\(printable(key.utf8)) is not a port") }
            if parts.count == 2, parts[1].lowercased() != "tcp" { continue }
            ports.formUnion(first...last)
        }
        return ports.sorted()
    }

    /// A number, or a name with or without SIG, or a real-time signal like `SIGRTMIN+3`.
    static func signal(_ text: String) throws(ImageError) -> Int32 {
        if text.isEmpty { return 15 }
        if let number = Int32(text), (1...64).contains(number) { return number }
        var name = text.uppercased()
        if name.hasPrefix("SIG") { name = String(name.dropFirst(3)) }
        if let index = signalNames.firstIndex(of: name) { return Int32(index + 1) }
        if name == "RTMIN" { return 34 }
        if name == "RTMAX" { return 64 }
        if name.hasPrefix("RTMIN+"), let offset = Int32(name.dropFirst(6)), (0...30).contains(offset) {
            return 34 + offset
        }
        if name.hasPrefix("RTMAX-"), let offset = Int32(name.dropFirst(6)), (0...30).contains(offset) {
            return 64 - offset
        }
        throw bad("\(printable(text.utf8)) is not a signal")
    }

    private static let signalNames = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM",
        "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH",
        "IO",
        "PWR", "SYS",
    ]

    private static func bad(_ reason: String) -> ImageError {
        .badData(subject: ConfigurationDocument.subject, reason: reason)
    }
}
