import FoundationEssentials
import LinuxHost
import SystemPackage

/// Why a snapshot was taken out of service, kept for whoever asks what happened.
package struct QuarantineNote: Sendable, Codable, Hashable {
    package let id: SnapshotID
    package let image: String?
    package let reason: String
    /// Seconds since 1970.
    package let at: Int64
}

extension SnapshotStore {
    private var notes: FilePath { root.appending("quarantine") }

    /// Takes a bad snapshot out of service for good: its files go, the reason stays.
    package func quarantine(_ id: SnapshotID, reason: String) throws(SnapshotError) {
        // A manifest that cannot be read is the very case.
        let image = try? SnapshotManifest.read(manifest(id)).image
        let note = QuarantineNote(id: id, image: image, reason: reason, at: WallClock.seconds())
        try remove(id)
        do throws(HostError) {
            try Files.makeDirectory(notes)
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            guard let data = try? encoder.encode(note) else {
                preconditionFailure("strings and integers always encode")
            }
            let name = "\(id)-\(String(UInt32.random(in: .min ... .max), radix: 16)).json"
            try AtomicFile.write(Array(data), to: notes.appending(name))
        } catch {
            throw .host(error)
        }
    }

    /// Newest last.
    package func quarantined() throws(SnapshotError) -> [QuarantineNote] {
        do throws(HostError) {
            var found: [QuarantineNote] = []
            for name in try Files.list(notes) where name.hasSuffix(".json") {
                let bytes = try Files.read(notes.appending(name), limit: 1 << 20)
                // A note that cannot be read says nothing.
                if let note = try? JSONDecoder().decode(QuarantineNote.self, from: Data(bytes)) { found.append(note) }
            }
            return found.sorted { $0.at < $1.at }
        } catch {
            throw .host(error)
        }
    }

    package func forgetQuarantined() throws(SnapshotError) {
        do throws(HostError) { try Files.removeTree(notes) } catch { throw .host(error) }
    }
}
