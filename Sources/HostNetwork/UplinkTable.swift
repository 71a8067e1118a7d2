import LinuxHost
import SystemPackage

/// The table in the host's namespace together with a record of how the kernel showed it when it was set up. Replacing a
/// table costs some 20 ms, looking at it well under one; whatever anybody changed in it shows.
struct UplinkTable {
    let tag: NetworkTag
    let record: FilePath

    /// Makes the table say what `firewall` does, if it does not yet.
    func apply(_ firewall: UplinkFirewall) throws(HostNetworkError) {
        let wanted = firewall.ruleset
        if let shown = list(), read() == wanted + shown { return }
        do { try PacketFilter.apply(wanted) } catch { throw HostNetworkError(error) }
        let bytes = Array((wanted + (list() ?? "")).utf8)
        try translated { () throws(HostError) in try AtomicFile.write(bytes, to: record) }
    }

    /// Whether there was a table to remove.
    func remove() throws(HostNetworkError) -> Bool {
        try translated { () throws(HostError) in try Files.remove(record) }
        guard list() != nil else { return false }
        do { try PacketFilter.apply("delete table inet \(tag.table)") } catch { throw HostNetworkError(error) }
        return true
    }

    /// The kernel's view; nil when there is no such table, and when it cannot be seen, in which case the attempt to set
    /// it up says why.
    private func list() -> String? {
        try? PacketFilter.apply("list table inet \(tag.table)")
    }

    /// A record that is missing or cannot be read only means that the table is set up again.
    private func read() -> String? {
        (try? Files.read(record, limit: 1 << 20)).map { String(decoding: $0, as: UTF8.self) }
    }
}
