import FoundationEssentials
import LinuxHost
package import SystemPackage

/// What we changed on the host that does not vanish by itself, written before it is changed. It is kept where a reboot
/// clears it, as a reboot clears the settings themselves, and it serves every installation of the host.
package struct NetworkJournal: Sendable, Hashable, Codable {
    /// Interfaces whose IPv4 forwarding was off.
    package var forwarding: [String] = []

    package init() {}

    package static func load(_ path: FilePath) throws(HostNetworkError) -> NetworkJournal {
        let bytes: [UInt8]
        do throws(HostError) {
            bytes = try Files.read(path, limit: 1 << 20)
        } catch  where error.errno == .noSuchFileOrDirectory {
            return NetworkJournal()
        } catch {
            throw HostNetworkError(error)
        }
        do {
            return try JSONDecoder().decode(NetworkJournal.self, from: Data(bytes))
        } catch {
            throw .journal(path: path.string)
        }
    }

    package func save(_ path: FilePath) throws(HostNetworkError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        guard let data = try? encoder.encode(self) else {
            preconditionFailure("a list of names can always be encoded")
        }
        try translated { () throws(HostError) in try AtomicFile.write(data, to: path) }
    }
}
