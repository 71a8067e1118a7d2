import Glibc
import LinuxHost
import SystemPackage
import Testing

@testable import Images

extension ImageStore {
    /// A store in a scratch folder, without any container engine.
    static func scratch(_ path: FilePath, engines: [EngineSocket] = [], limits: ImageLimits = ImageLimits())
        -> ImageStore
    {
        ImageStore(
            StateDirectory(path.appending("state")), demoApp: Array("app".utf8), engines: engines, limits: limits)
    }

    /// What a failed or killed build might leave: everything in the cache that is no finished image.
    func leftovers() throws -> [String] {
        let files = try Files.list(paths.folder)
        let finished = Set(files.filter { $0.hasSuffix(".ext4") }.map { String($0.dropLast(5)) })
        let names = try Files.list(paths.names).filter { $0.hasPrefix(".") }
        return names
            + files.filter { name in
                name != "names" && !finished.contains { name == $0 + ".ext4" || name == $0 + ".json" }
            }
    }

    func roots() throws -> [String] {
        try Files.list(paths.folder).filter { $0.hasSuffix(".ext4") }
    }
}

/// Runs a program and returns its exit status and output; the output of both streams goes to one file.
func run(_ words: [String]) throws -> (status: Int32, output: String) {
    try withTemporaryFile { path in
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, path.string, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        let arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process: pid_t = 0
        let result = posix_spawnp(&process, words[0], &actions, nil, arguments, environ)
        guard result == 0 else { throw HostError("run", words[0], Errno(rawValue: result)) }
        var status: Int32 = 0
        waitpid(process, &status, 0)
        let code = status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
        return (code, String(decoding: try Files.read(path), as: UTF8.self))
    }
}

private func withTemporaryFile<Result>(_ body: (FilePath) throws -> Result) throws -> Result {
    let path = FilePath("/tmp/fcctl-test-output-\(UInt64.random(in: .min ... .max))")
    defer { unlink(path.string) }
    return try body(path)
}

/// What the tests of this folder need from the host.
enum Tools {
    static let isRoot = geteuid() == 0
    static func has(_ name: String) -> Bool {
        ["/usr/bin/", "/usr/sbin/", "/sbin/", "/bin/"].contains { Files.exists(FilePath($0 + name)) }
    }

    /// The benchmark's program, built beside the tests: a real process to measure and to kill.
    static let builder: FilePath? = {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let words = (try? Files.read("/proc/self/cmdline")) ?? []
        let candidates =
            [
                FilePath(String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)),
                FilePath(String(decoding: words.prefix { $0 != 0 }, as: UTF8.self)),
            ] + CommandLine.arguments.map { FilePath($0) }
        return candidates.map { $0.removingLastComponent().appending("image-benchmark") }.first { Files.exists($0) }
    }()
}
