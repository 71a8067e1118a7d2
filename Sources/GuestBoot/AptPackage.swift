import Glibc
import LinuxHost
import SystemPackage

/// Debian's package tools as a source of files: apt verifies what it downloads against the signed lists.
enum AptPackage {
    /// Downloads the kernel package that `package` depends on into `folder`.
    static func fetchKernel(_ package: String, into folder: FilePath) throws(GuestBootError) -> FilePath {
        let listing = try run(["apt-cache", "show", "--no-all-versions", package], in: folder)
        guard let kernel = kernelDependency(in: listing) else {
            throw .unreadable("the package \(package)", reason: "apt does not know it: run apt-get update")
        }
        // Downloading needs no installation and, in a folder that only root can enter, no other user either.
        _ = try run(["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", kernel], in: folder)
        let names = try onHost { () throws(HostError) in try Files.list(folder) }
        guard let file = names.first(where: { $0.hasSuffix(".deb") }) else {
            throw .unreadable("the package \(kernel)", reason: "apt-get download left no file")
        }
        return folder.appending(file)
    }

    /// The first `linux-image-…` of a Depends line.
    static func kernelDependency(in listing: String) -> String? {
        for line in listing.split(separator: "\n") where line.hasPrefix("Depends:") {
            for item in line.dropFirst(8).split(whereSeparator: { $0 == "," || $0 == " " || $0 == "|" }) {
                if item.hasPrefix("linux-image-") { return String(item) }
            }
        }
        return nil
    }

    /// Runs a program of PATH in `folder` and returns what it printed; its complaint is the error's reason. It ends when
    /// this process is killed.
    private static func run(_ arguments: [String], in folder: FilePath) throws(GuestBootError) -> String {
        let output = folder.appending(".output")
        let errors = folder.appending(".errors")
        defer {
            try? Files.remove(output)  // the folder is temporary as a whole
            try? Files.remove(errors)
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output.string, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, errors.string, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        var pid: pid_t = 0
        var argv: [UnsafeMutablePointer<CChar>?] =
            (["setpriv", "--pdeathsig", "KILL", "env", "-C", folder.string] + arguments).map { strdup($0) } + [nil]
        var environment: [UnsafeMutablePointer<CChar>?] = [strdup("LC_ALL=C")]
        for name in ["PATH", "http_proxy", "https_proxy", "no_proxy"] {
            if let value = getenv(name) { environment.append(strdup("\(name)=\(String(cString: value))")) }
        }
        environment.append(nil)
        defer { for text in argv + environment { free(text) } }
        let result = posix_spawnp(&pid, "setpriv", &actions, nil, &argv, &environment)
        guard result == 0 else {
            throw .unreadable(
                "the distribution's packages", reason: "setpriv cannot be run: \(Errno(rawValue: result))")
        }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        // Nothing printed is as good as nothing readable.
        let text = String(decoding: (try? Files.read(output)) ?? [], as: UTF8.self)
        guard status == 0 else {
            let complaint = String(decoding: (try? Files.read(errors)) ?? [], as: UTF8.self).split(separator: "\n")
            throw .unreadable(
                "the distribution's packages",
                reason:
                    "\(arguments[0]) \(arguments[1]) failed: \(complaint.last.map(String.init) ?? "no reason given")")
        }
        return text
    }
}
