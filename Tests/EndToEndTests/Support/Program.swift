import Glibc
import LinuxHost
import SystemPackage

/// A program as a user starts it, in this session; what it prints is collected while somebody waits for it.
final class Program {
    struct TimedOut: Error, CustomStringConvertible {
        let description: String
    }

    let pid: Int32
    let command: String
    private let process: Pidfd
    private let outputs: [Int32]
    private var bytes: [[UInt8]] = [[], []]
    private var open = [true, true]
    private(set) var status: TerminationStatus?

    init(_ executable: String, _ arguments: [String], environment: [String: String]) throws {
        command = ([executable] + arguments).joined(separator: " ")
        var ends: [(read: Int32, write: Int32)] = []
        defer { for end in ends { close(end.write) } }
        for _ in 0..<2 {
            var pair: [Int32] = [-1, -1]
            guard pipe(&pair) == 0 else { throw HostError("make a pipe for", executable, Errno(rawValue: errno)) }
            for descriptor in pair { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
            ends.append((pair[0], pair[1]))
        }
        outputs = ends.map(\.read)
        pid = try Program.spawn([executable] + arguments, environment, ends.map(\.write))
        process = try Pidfd(opening: pid)
    }

    deinit {
        for descriptor in outputs { close(descriptor) }
        if status == nil {
            _ = try? process.signal(SIGKILL)  // gone already is as good
            _ = try? process.wait()
            _ = process.reap()
        }
    }

    var stdout: String { String(decoding: bytes[0], as: UTF8.self) }
    var stderr: String { String(decoding: bytes[1], as: UTF8.self) }
    /// For a failed expectation: what ran and what it said.
    var story: String {
        let state = status.map { "\($0)" } ?? "runs"
        return "\(command)\nstdout: \(stdout)\nstderr: \(stderr)\nstatus: \(state)"
    }

    func signal(_ number: Int32) throws {
        try process.signal(number)
    }

    /// The first line of either output that holds `text`.
    func line(with text: String, within seconds: Int = 90) throws -> String {
        var found: String?
        try pump(within: seconds, for: "a line with \(text.debugDescription)") {
            found = lines.first { $0.contains(text) }
            return found != nil
        }
        guard let found else {
            throw TimedOut(description: "it ended without a line with \(text.debugDescription): \(story)")
        }
        return found
    }

    /// Waits for the end; the status as a shell shows it: the code, or 128 and the signal's number.
    @discardableResult
    func wait(within seconds: Int = 90) throws -> Int32 {
        try pump(within: seconds, for: "its end") { status != nil }
        switch status {
        case .exited(let code): return code
        case .signalled(let number): return 128 + number
        case nil: throw TimedOut(description: "it did not end: \(story)")
        }
    }

    /// Whole lines of both outputs: the piece after the last line feed is not one yet.
    private var lines: [String] {
        [stdout, stderr].flatMap {
            $0.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
        }
    }

    /// Reads until `done`, or until the program has ended and its pipes hold nothing more.
    private func pump(within seconds: Int, for purpose: String, until done: () -> Bool) throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while !done(), status == nil {
            let left = (deadline - .now) / .milliseconds(1)
            guard left > 0 else { throw TimedOut(description: "waited \(seconds) s for \(purpose): \(story)") }
            var watched = [pollfd(fd: process.rawValue, events: Int16(POLLIN), revents: 0)]
            for index in 0..<2 {
                watched.append(pollfd(fd: open[index] ? outputs[index] : -1, events: Int16(POLLIN), revents: 0))
            }
            guard poll(&watched, 3, Int32(min(left, 1_000_000)) + 1) > 0 else { continue }
            for index in 0..<2 where watched[index + 1].revents != 0 { readSome(index) }
            // A child that keeps the pipe must not keep the test: what is in it now is all that counts.
            if watched[0].revents != 0, watched[1].revents == 0, watched[2].revents == 0 { status = process.reap() }
        }
    }

    private func readSome(_ index: Int) {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        let count = chunk.withUnsafeMutableBytes { read(outputs[index], $0.baseAddress, $0.count) }
        if count > 0 {
            bytes[index].append(contentsOf: chunk[..<count])
        } else if count == 0 || errno != EINTR {
            open[index] = false
        }
    }

    private static func spawn(
        _ arguments: [String], _ environment: [String: String], _ outputs: [Int32]
    ) throws -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, outputs[0], 1)
        posix_spawn_file_actions_adddup2(&actions, outputs[1], 2)
        let argv = arguments.map { strdup($0) } + [nil]
        let envp = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var pid: pid_t = -1
        let result = posix_spawnp(&pid, arguments[0], &actions, nil, argv, envp)
        guard result == 0 else { throw HostError("start", arguments[0], Errno(rawValue: result)) }
        return pid
    }
}

/// A pause between two looks at something that sends no event.
func shortPause() {
    poll(nil, 0, 50)
}
