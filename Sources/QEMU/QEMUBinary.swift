import Glibc
import LinuxHost
package import SystemPackage
package import VMM

/// The QEMU of this host.
package struct QEMUBinary: Sendable, Hashable {
    package let path: FilePath
    /// For example `7.2.22`.
    package let version: String

    package init(path: FilePath, version: String) {
        self.path = path
        self.version = version
    }

    /// Looks at `FCCTL_QEMU`, then along `PATH`, and asks the program for its version. Blocks for about 30 ms.
    /// Throws `.unavailable` with what to install when there is none.
    package static func find(environment: [String: String]) throws(VMMError) -> QEMUBinary {
        if let named = environment["FCCTL_QEMU"], !named.isEmpty {
            guard access(named, X_OK) == 0 else {
                throw .unavailable(.qemu, reason: "FCCTL_QEMU names \(named), which cannot be executed")
            }
            return try ask(FilePath(named))
        }
        for folder in (environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":") {
            let path = FilePath(String(folder)).appending("qemu-system-x86_64")
            if access(path.string, X_OK) == 0 { return try ask(path) }
        }
        throw .unavailable(
            .qemu, reason: "qemu-system-x86_64 is not on PATH: install qemu-system-x86, or name it in FCCTL_QEMU")
    }

    private static func ask(_ path: FilePath) throws(VMMError) -> QEMUBinary {
        let output: CommandOutput
        do {
            output = try CommandOutput.of(path, ["--version"])
        } catch {
            throw .host(error)
        }
        guard output.status == .exited(0), let version = parseVersion(output.text) else {
            throw .unavailable(
                .qemu, reason: "\(path.string) --version did not answer as QEMU does: \(output.text.prefix(200))")
        }
        return QEMUBinary(path: path, version: version)
    }

    /// `QEMU emulator version 7.2.22 (Debian …)`.
    static func parseVersion(_ text: String) -> String? {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard let index = words.firstIndex(of: "version"), words.first == "QEMU", index + 1 < words.count else {
            return nil
        }
        let version = words[index + 1]
        guard version.first?.isNumber == true else { return nil }
        return String(version)
    }
}
