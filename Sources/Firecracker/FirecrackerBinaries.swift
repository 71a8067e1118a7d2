import Glibc
import LinuxHost
package import SystemPackage
package import VMM

/// The Firecracker of this host and, where it was found, the jailer that belongs to it.
package struct FirecrackerBinaries: Sendable, Hashable {
    package let firecracker: FilePath
    package let jailer: FilePath?
    package let version: FirecrackerVersion

    package init(firecracker: FilePath, jailer: FilePath?, version: FirecrackerVersion) {
        self.firecracker = firecracker
        self.jailer = jailer
        self.version = version
    }

    /// Looks at `FCCTL_FIRECRACKER`, then along `PATH`, then in `folder` (the state directory's binaries), and asks the
    /// program for its version. The jailer is `FCCTL_JAILER`, or stands beside Firecracker, or is on `PATH`.
    /// Returns nil when there is none; throws when there is one that does not work. Blocks for a few milliseconds.
    package static func find(environment: [String: String], folder: FilePath?) throws(VMMError)
        -> FirecrackerBinaries?
    {
        let path = environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        let folders = path.split(separator: ":").map { FilePath(String($0)) }
        func search(_ name: String, in folders: [FilePath]) -> FilePath? {
            folders.map { $0.appending(name) }.first { access($0.string, X_OK) == 0 }
        }
        let found: FilePath?
        if let named = environment["FCCTL_FIRECRACKER"], !named.isEmpty {
            guard access(named, X_OK) == 0, !Files.isDirectory(FilePath(named)) else {
                throw .unavailable(
                    .firecracker, reason: "FCCTL_FIRECRACKER names \(named), which cannot be executed")
            }
            found = FilePath(named)
        } else {
            found = search("firecracker", in: folders + (folder.map { [$0] } ?? []))
        }
        guard let found else { return nil }
        // The jailer names the jail after the file that links lead to, so the real path is the one to keep.
        let real = realPath(found)
        var jailer = environment["FCCTL_JAILER"].map { FilePath($0) }
        if let named = jailer, access(named.string, X_OK) != 0 {
            throw .unavailable(.firecracker, reason: "FCCTL_JAILER names \(named.string), which cannot be executed")
        }
        let beside = real.removingLastComponent()
        let jailerName = real.lastComponent?.string.replacingPrefix("firecracker", with: "jailer") ?? "jailer"
        jailer = jailer ?? search(jailerName, in: [beside]) ?? search("jailer", in: [beside] + folders)
        return FirecrackerBinaries(
            firecracker: real, jailer: jailer.map(realPath), version: try askVersion(of: real))
    }

    /// Runs `--version`.
    static func askVersion(of path: FilePath) throws(VMMError) -> FirecrackerVersion {
        let output: CommandOutput
        do throws(HostError) {
            output = try CommandOutput.of(path, ["--version"])
        } catch {
            throw .host(error)
        }
        guard output.status == .exited(0), let version = FirecrackerVersion.parse(banner: output.text) else {
            throw .unavailable(
                .firecracker,
                reason: "\(path.string) --version did not answer as Firecracker does: \(output.text.prefix(200))")
        }
        return version
    }

    private static func realPath(_ path: FilePath) -> FilePath {
        guard let resolved = realpath(path.string, nil) else { return path }
        defer { free(resolved) }
        return FilePath(platformString: resolved)
    }
}

extension String {
    fileprivate func replacingPrefix(_ prefix: String, with other: String) -> String? {
        hasPrefix(prefix) ? other + dropFirst(prefix.count) : nil
    }
}
