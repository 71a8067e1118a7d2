import Glibc
import LinuxHost
import SystemPackage
import TestSupport
import Testing

/// The built binary with a state directory of its own.
final class Fcctl {
    let scratch: FilePath
    let state: FilePath
    /// Part of the name of everything that this state directory's machines have on the host.
    let tag: String
    /// For every command; a value of "" takes the variable away.
    var environment: [String: String]
    private let traces: HostTraces
    private var programs: [Program] = []
    private var cleanUps: [() throws -> Void] = []

    init(_ scratch: FilePath, kernel: FilePath?) throws {
        self.scratch = scratch
        state = scratch.appending("state")
        tag = String(SHA256.hash(Array(state.string.utf8)).prefix(8))
        environment = [
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": scratch.string,
            "DOCKER_HOST": "unix://\(scratch)/no-docker.sock",
        ]
        traces = HostTraces(state: state, tag: tag)
        if let kernel {
            try Files.makeDirectory(state.appending("bin"))
            try Fcctl.tool("cp", ["--archive", kernel.string, state.appending("bin").string])
        }
    }

    /// Runs after the test, last added first, also when the test fails.
    func atEnd(_ body: @escaping () throws -> Void) {
        cleanUps.append(body)
    }

    /// Starts a command. `before` are words before the program's own, such as `setpriv …`.
    func start(
        _ arguments: [String], before: [String] = [], environment extra: [String: String] = [:]
    ) throws -> Program {
        let words = before + [Repository.binary.string] + arguments
        let all = environment.merging(extra) { $1 }.merging(["FCCTL_STATE_DIR": state.string]) { own, _ in own }
        let program = try Program(words[0], Array(words.dropFirst()), environment: all.filter { !$0.value.isEmpty })
        programs.append(program)
        return program
    }

    /// Runs a command to its end.
    @discardableResult
    func run(
        _ arguments: [String], before: [String] = [], environment: [String: String] = [:], within seconds: Int = 90
    ) throws -> Program {
        let program = try start(arguments, before: before, environment: environment)
        try program.wait(within: seconds)
        return program
    }

    /// Runs a command that must succeed; its standard output without the last line feed.
    @discardableResult
    func succeed(_ arguments: [String], environment: [String: String] = [:], within seconds: Int = 90) throws -> String
    {
        let program = try run(arguments, environment: environment, within: seconds)
        guard program.status == .exited(0) else { throw Program.TimedOut(description: "it failed: \(program.story)") }
        return program.stdout.hasSuffix("\n") ? String(program.stdout.dropLast()) : program.stdout
    }

    /// Remembers what the running commands have on the host now, to know later whether it has gone.
    func observe() {
        traces.observe(programs.filter { $0.status == nil }.map(\.pid))
    }

    /// Whether a VMM of this state directory runs.
    func hasMembers() -> Bool { !traces.members().isEmpty }

    /// SIGKILL, as the out-of-memory killer does it.
    func kill(_ program: Program) throws {
        observe()
        try program.signal(SIGKILL)
        try program.wait(within: 10)
    }

    /// What of this state directory is on the host or lies about; empty when there is nothing but caches.
    func leaks() -> [String] { traces.leaks() }

    fileprivate func end() {
        for body in cleanUps.reversed() {
            // The leak check after the clean-up says what stayed.
            do { try body() } catch { Issue.record("clean-up failed: \(error)") }
        }
        observe()
        for program in programs where program.status == nil {
            try? program.signal(SIGKILL)  // gone already is as good
            _ = try? program.wait(within: 10)
        }
        programs = []
        do {
            for id in try succeed(["list", "--quiet"]).split(separator: "\n") {
                try run(["delete", "--force", String(id)])
            }
            try succeed(["list", "--quiet"])
        } catch {
            Issue.record("the last clean-up failed: \(error)")
        }
        // Whatever the program under test did or did not: no guest of this test outlives it.
        for pid in traces.members() { Glibc.kill(pid, SIGKILL) }
        let left = leaks()
        #expect(left.isEmpty, "left behind: \(left.joined(separator: "; "))")
    }

    /// A program of the host that must succeed; what it printed.
    @discardableResult
    static func tool(_ name: String, _ arguments: [String], within seconds: Int = 300) throws -> String {
        let program = try Program(
            name, arguments, environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C"])
        guard try program.wait(within: seconds) == 0 else {
            throw Program.TimedOut(description: "it failed: \(program.story)")
        }
        return program.stdout
    }
}

/// A test's own fcctl: afterwards its machines are gone, nothing of it is left on the host and strangers are untouched.
/// With `kernel` the state directory has a guest kernel already, as after a first command.
func withFcctl(kernel: Bool = true, _ body: (Fcctl) throws -> Void) throws {
    let prepared = kernel ? try PreparedKernel.folder.get() : nil
    try withScratch { scratch in
        let fcctl = try Fcctl(scratch, kernel: prepared)
        let decoys = try Decoys(in: fcctl.state)
        defer { decoys.check() }
        defer { fcctl.end() }
        try body(fcctl)
    }
}

/// A guest kernel taken out of its package once and kept for later runs of the tests.
enum PreparedKernel {
    static let folder = Result { () throws -> FilePath in
        let state = Repository.tools.appending("end-to-end")
        let kernels = state.appending("bin/kernel")
        if try Files.list(kernels).contains(where: { !$0.hasPrefix(".") }) { return kernels }
        let options = ["--state-dir", state.string]
        let binary = Repository.binary.string
        try Fcctl.tool(binary, ["run", "demo", "--name", "kernel", "--quiet"] + options)
        try Fcctl.tool(binary, ["delete", "--force", "kernel", "--quiet"] + options)
        return kernels
    }
}
