import LinuxHost
import SystemPackage

/// Removes what a killed process left in the store. Only names of our own, and only when nobody holds their lock.
struct StoreSweep {
    let paths: StorePaths

    func run() throws(ImageError) {
        try onHost { () throws(HostError) in
            try sweepRoots()
            try sweepSpools()
            try sweepNames()
        }
    }

    private func sweepRoots() throws(HostError) {
        for name in try Files.list(paths.folder) {
            let digits = name.drop { $0 == "." }.prefix { $0 != "." }
            guard let key = RootKey(String(digits)) else { continue }
            let isTemporary = name.hasPrefix(".") && (name.hasSuffix(".building") || name.hasSuffix(".tmp"))
            guard isTemporary || name == key.text + ".json", let lock = try FileLock.tryLock(paths.lock(key)) else {
                continue
            }
            // A record is only complete with its root: that is renamed last.
            if isTemporary || !Files.exists(paths.root(key)) { try Files.remove(paths.folder.appending(name)) }
            _ = consume lock
        }
    }

    private func sweepSpools() throws(HostError) {
        let names = try Files.list(paths.folder).filter { $0.hasPrefix(".spool.") }
        guard !names.isEmpty, let lock = try FileLock.tryLock(paths.spoolLock) else { return }
        for name in names { try Files.remove(paths.folder.appending(name)) }
        _ = consume lock
    }

    private func sweepNames() throws(HostError) {
        let names = try Files.list(paths.names).filter { $0.hasPrefix(".") && $0.hasSuffix(".tmp") }
        guard !names.isEmpty, let lock = try FileLock.tryLock(paths.namesLock) else { return }
        for name in names { try Files.remove(paths.names.appending(name)) }
        _ = consume lock
    }
}
