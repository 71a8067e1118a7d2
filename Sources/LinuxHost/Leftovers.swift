package import SystemPackage

/// Files and folders that a writer makes beside what it replaces, and that stay when it is killed:
/// `.NAME.PID.tmp` and, by `AtomicFile`, `.NAME.PID.NUMBER.tmp`.
package enum Leftovers {
    /// Removes those whose writer is gone, directly in `folder`. Blocking.
    package static func remove(in folder: FilePath) throws(HostError) {
        for name in try Files.list(folder) {
            guard let writer = writer(of: name), ProcessIdentity(pid: writer)?.isAlive != true else { continue }
            try Files.removeTree(folder.appending(name))
        }
    }

    /// The pid in such a name; nil for any other. A last number that is too large for a pid is the writer's NUMBER.
    static func writer(of name: String) -> Int32? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts.first == "", parts.last == "tmp" else { return nil }
        let numbers = parts.dropLast().suffix(2)
        guard let last = numbers.last.flatMap({ UInt32($0) }) else { return nil }
        return Int32(exactly: last) ?? numbers.first.flatMap { Int32($0) }
    }
}
