import FoundationEssentials
package import LinuxHost
package import SystemPackage
package import VMM

/// `manifest.json` of a snapshot: written last, so that a folder with one is complete.
package struct SnapshotManifest: Sendable, Codable, Hashable {
    /// Snapshots of another version are never restored.
    package static let currentVersion = 1

    /// What a file held when it was written.
    package struct Content: Sendable, Codable, Hashable {
        package let bytes: UInt64
        package let sha256: String
    }

    package let version: Int
    package let key: SnapshotKey
    /// The image as the user named it.
    package let image: String
    /// Seconds since 1970.
    package let createdAt: Int64
    package let memory: Content
    package let state: Content
    package let scratchDisk: Content?
    /// The status that the template answered its warm-up with, and that a clone must answer with; nil: none was sent.
    package let answer: Int?

    static func read(_ path: FilePath) throws(SnapshotError) -> SnapshotManifest {
        let bytes: [UInt8]
        do throws(HostError) { bytes = try Files.read(path, limit: 1 << 20) } catch { throw .host(error) }
        do {
            return try JSONDecoder().decode(SnapshotManifest.self, from: Data(bytes))
        } catch {
            throw .damaged("its manifest cannot be read")
        }
    }

    func write(to path: FilePath) throws(HostError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else {
            preconditionFailure("strings and integers always encode")
        }
        try AtomicFile.write(Array(data), to: path, mode: 0o444)
    }
}

/// A complete snapshot on disk.
package struct Snapshot: Sendable, Hashable {
    package let id: SnapshotID
    package let manifest: SnapshotManifest
    package let files: SnapshotFiles
}

/// Why a snapshot cannot be used or made.
package enum SnapshotError: Error, CustomStringConvertible {
    case unknown(String)
    case ambiguous(String, [SnapshotID])
    /// The files are not what the manifest says; the text is a clause.
    case damaged(String)
    /// Machines that run are clones of it.
    case inUse(SnapshotID, clones: Int)
    /// The disk cannot take another snapshot.
    case noRoom(FilePath, wanted: MemorySize, available: MemorySize)
    case host(HostError)

    package var description: String {
        switch self {
        case .unknown(let text): "there is no snapshot \(text); `fcctl snapshot ls` shows those there are"
        case .ambiguous(let text, let found):
            "\(text) fits \(found.count) snapshots: \(found.map(\.text).joined(separator: ", ")); write more of the id"
        case .damaged(let reason): "the snapshot cannot be used: \(reason)"
        case .inUse(let id, let clones):
            "\(clones) running machine\(clones == 1 ? " is a clone" : "s are clones") of \(id); stop them first or use --force"
        case .noRoom(let folder, let wanted, let available):
            "making a snapshot takes up to \(wanted) in \(folder), where \(available) are free; "
                + "free some space, or choose another folder with --state-dir"
        case .host(let error): error.description
        }
    }
}
