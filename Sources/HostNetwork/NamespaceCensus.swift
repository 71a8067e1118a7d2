import LinuxHost
import SystemPackage

/// Which network namespaces anybody holds, as a process in it or by descriptor.
enum NamespaceCensus {
    /// Names such as `net:[4026531840]`. A process that ends while we look is simply not counted.
    static func namespaces() -> Set<String> {
        var found: Set<String> = []
        for pid in (try? Files.list("/proc")) ?? [] where pid.utf8.allSatisfy({ (48...57).contains($0) }) {
            let process = FilePath("/proc").appending(pid)
            if let name = Files.linkTarget(process.appending("ns/net")) { found.insert(name) }
            let descriptors = process.appending("fd")
            for descriptor in (try? Files.list(descriptors)) ?? [] {
                if let name = Files.linkTarget(descriptors.appending(descriptor)), name.hasPrefix("net:[") {
                    found.insert(name)
                }
            }
        }
        return found
    }

    /// The namespace that a link's alias names; "" for a link that was not finished.
    static func name(inAlias alias: String) -> String {
        alias.split(separator: " ").last.map(String.init) ?? ""
    }
}
