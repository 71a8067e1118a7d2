import FoundationEssentials
import LinuxHost
import SystemPackage

/// Which root a name, or a file on disk, stands for: one small file per name.
struct NameTable {
    struct Entry: Codable {
        let name: String
        let key: String
        /// What the name stood for when the entry was made: an engine's id, or size and times of a file.
        let stamp: String?
    }

    let paths: StorePaths

    func entry(_ name: String) -> Entry? {
        // An entry that cannot be read is made again; nothing else depends on it.
        guard let bytes = try? Files.read(path(name), limit: 1 << 16),
            let entry = try? JSONDecoder().decode(Entry.self, from: Data(bytes)), entry.name == name
        else { return nil }
        return entry
    }

    func set(_ name: String, _ key: RootKey, stamp: String? = nil) throws(ImageError) {
        if let old = entry(name), old.key == key.text, old.stamp == stamp { return }
        guard let bytes = try? JSONEncoder().encode(Entry(name: name, key: key.text, stamp: stamp)) else {
            preconditionFailure("three strings can be encoded")
        }
        let path = path(name)
        try onHost { () throws(HostError) in
            let lock = try FileLock(waitingFor: paths.namesLock)
            try AtomicFile.write(bytes, to: path)
            _ = consume lock
        }
    }

    private func path(_ name: String) -> FilePath {
        paths.names.appending(SHA256.hash(Array(name.utf8)) + ".json")
    }
}
