import CGuest

/// Starting the image's program as a container runtime would.
struct AppProcess {
    let pid: pid_t
    let output: Int32
    let errors: Int32
    /// Carries a `g_failure` if nothing was executed, otherwise ends without a byte.
    let report: Int32
    private let candidates: [[UInt8]]
    private let program: [UInt8]
    private let directory: [UInt8]

    private static let defaultPath = Array("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".utf8)

    init(_ configuration: RunConfiguration) throws(BootError) {
        program = configuration.arguments.first ?? []
        directory = configuration.workingDirectory.isEmpty ? [0x2f] : configuration.workingDirectory
        let environment = Self.environment(configuration)
        let path = Self.value("PATH", in: environment) ?? Self.defaultPath
        let name = program
        let candidates =
            name.contains(0x2f) || name.isEmpty
            ? [name]
            : path.split(separator: 0x3a, omittingEmptySubsequences: false)
                .map { $0.isEmpty ? [0x2e, 0x2f] + name : Array($0) + [0x2f] + name }
        self.candidates = candidates
        Self.makeFolders(directory)

        let outputs = try Self.pipe()
        let errors = try Self.pipe()
        let report = try Self.pipe()
        let groups =
            configuration.supplementaryGroups.isEmpty
            ? [configuration.groupID] : configuration.supplementaryGroups
        let directoryText = Self.text(directory)
        let result = groups.withUnsafeBufferPointer { list in
            var app = g_app()
            app.arguments = UnsafePointer(Self.texts(configuration.arguments))
            app.environment = UnsafePointer(Self.texts(environment))
            app.candidates = UnsafePointer(Self.texts(candidates))
            app.directory = UnsafePointer(directoryText)
            app.user = configuration.userID
            app.group = configuration.groupID
            app.groups = list.baseAddress
            app.group_count = list.count
            app.output = outputs.write
            app.errors = errors.write
            app.report = report.write
            return g_spawn(&app)
        }
        for pipe in [outputs, errors, report] { close(pipe.write) }
        pid = try BootError.check(result, "start a process")
        self.output = outputs.read
        self.errors = errors.read
        self.report = report.read
        for file in [outputs.read, errors.read] { g_set_nonblocking(file) }
    }

    /// Waits for the exec, which takes microseconds; the reason why it failed, or nil.
    func startFailure() -> AppExit? {
        var failure = g_failure()
        var count = 0
        repeat {
            count = withUnsafeMutableBytes(of: &failure) { read(report, $0.baseAddress, $0.count) }
        } while count < 0 && g_errno() == EINTR
        close(report)
        guard count == MemoryLayout<g_failure>.size else { return nil }
        let reason = describe(errno: failure.error)
        switch Int(failure.stage) {
        case g_stage_groups, g_stage_group, g_stage_user:
            return exit(126, "cannot become the image's user: \(reason)", [])
        case g_stage_directory:
            return exit(126, "cannot enter the working directory: \(reason): ", directory)
        default: break
        }
        if failure.error == ENOENT {
            let present = candidates.first { access(Self.text($0), F_OK) == 0 }
            if let present {
                return exit(127, "its interpreter or program loader is missing in the image: ", present)
            }
            let place = program.contains(0x2f) ? "no such file in the image: " : "not found in PATH: "
            return exit(127, place, program)
        }
        return exit(126, "cannot be executed: \(reason): ", program)
    }

    private func exit(_ code: UInt8, _ message: String, _ subject: [UInt8]) -> AppExit {
        AppExit(code: code, signal: 0, message: Array(message.utf8) + subject)
    }

    /// The image's variables and the three that every container has.
    private static func environment(_ configuration: RunConfiguration) -> [[UInt8]] {
        var environment = configuration.environment
        if value("PATH", in: environment) == nil { environment.append(Array("PATH=".utf8) + defaultPath) }
        if value("HOSTNAME", in: environment) == nil {
            environment.append(Array("HOSTNAME=".utf8) + configuration.hostname)
        }
        if value("HOME", in: environment) == nil {
            environment.append(Array("HOME=".utf8) + home(of: configuration.userID))
        }
        return environment
    }

    private static func value(_ name: String, in environment: [[UInt8]]) -> [UInt8]? {
        let prefix = Array(name.utf8) + [0x3d]
        return environment.last { $0.starts(with: prefix) }.map { Array($0.dropFirst(prefix.count)) }
    }

    private static func home(of user: UInt32) -> [UInt8] {
        let wanted = Array("\(user)".utf8)
        for line in (readFile("/etc/passwd", limit: 1 << 20) ?? []).split(separator: 0x0a) {
            let fields = line.split(separator: 0x3a, omittingEmptySubsequences: false)
            if fields.count >= 6, Array(fields[2]) == wanted, !fields[5].isEmpty { return Array(fields[5]) }
        }
        return user == 0 ? Array("/root".utf8) : [0x2f]
    }

    /// As container runtimes do: a working directory that the image lacks is made, owned by root.
    private static func makeFolders(_ path: [UInt8]) {
        for (index, byte) in path.enumerated() where byte == 0x2f && index > 0 {
            mkdir(text(Array(path[..<index])), 0o755)
        }
        mkdir(text(path), 0o755)
    }

    private static func pipe() throws(BootError) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        try BootError.check(g_pipe(&ends), "make a pipe")
        return (ends[0], ends[1])
    }

    /// A C string that lives as long as the process: made a few times, before the app starts.
    private static func text(_ bytes: [UInt8]) -> UnsafeMutablePointer<CChar> {
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
        for (index, byte) in bytes.enumerated() { copy[index] = CChar(bitPattern: byte) }
        copy[bytes.count] = 0
        return copy
    }

    private static func texts(_ list: [[UInt8]]) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
        let copy = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: list.count + 1)
        for (index, bytes) in list.enumerated() { copy[index] = text(bytes) }
        copy[list.count] = nil
        return copy
    }
}
