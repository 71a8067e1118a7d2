import Glibc
import SystemPackage

/// What a running machine's saved state depends on besides its own files.
package enum HostIdentity {
    /// The running kernel's release.
    package static var kernelRelease: String {
        guard let bytes = try? Files.read("/proc/sys/kernel/osrelease", limit: 4096) else { return "" }  // no /proc
        return String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
    }

    package static var cores: Int { Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    /// Model, stepping, microcode and features of the first CPU; all of a host's are alike.
    package static var processor: String {
        guard let bytes = try? Files.read("/proc/cpuinfo") else { return "" }  // no /proc
        let text = String(decoding: bytes, as: UTF8.self)
        var model = ""
        let hash = SHA256()
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty { break }
            let name = line.prefix { $0 != ":" }.filter { !$0.isWhitespace }
            guard ["vendor_id", "cpufamily", "model", "modelname", "stepping", "microcode", "flags"].contains(name)
            else {
                continue
            }
            if name == "modelname" {
                model = line.drop { $0 != ":" }.dropFirst().trimmingPrefix { $0 == " " }.description
            }
            hash.update(Array(line.utf8))
        }
        return "\(model) (\(hash.finish().prefix(12)))"
    }
}
