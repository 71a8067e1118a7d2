import LinuxHost
import SystemPackage

/// Removes what earlier processes of one installation left on the host's own network, and nothing else.
///
/// Links and TAPs go with their namespaces, so this finds the table, the forwarding that we switched on, and links
/// whose namespace is still being taken down. A link whose slot somebody holds, here or in any process, is left alone.
package enum NetworkSweep {
    package struct Report: Sendable, Hashable {
        package var links: [String] = []
        package var table = false
        package var forwarding: [String] = []

        package init() {}
    }

    /// Works on the calling thread's namespace. Harmless at any time: other processes' slots are in use and stay.
    @discardableResult
    package static func run(tag: NetworkTag, files: UplinkFiles = UplinkFiles()) throws(HostNetworkError) -> Report {
        try files.locked { () throws(HostNetworkError) in try sweep(tag, files) }
    }

    /// Links of slots that somebody holds, or that go just now.
    package static func links(of tag: NetworkTag) throws(HostNetworkError) -> [String] {
        try translated { () throws(HostError) in try NetworkLink.list() }
            .map(\.name).filter { EgressNumber(link: $0) != nil && $0.hasPrefix(tag.linkPrefix) }
    }

    private static func sweep(_ tag: NetworkTag, _ files: UplinkFiles) throws(HostNetworkError) -> Report {
        var report = Report()
        let links = try translated { () throws(HostError) in try NetworkLink.list() }
            .filter { EgressNumber(link: $0.name) != nil }
        let alive = links.isEmpty ? [] : NamespaceCensus.namespaces()
        let dead = links.filter { !alive.contains(NamespaceCensus.name(inAlias: $0.alias)) }
        for link in dead where link.name.hasPrefix(tag.linkPrefix) {
            try translated { () throws(HostError) in try NetworkLink.remove(link.name) }
            report.links.append(link.name)
        }
        let living = links.filter { link in !dead.contains { $0.name == link.name } }
        if living.isEmpty { report.forwarding = try restoreForwarding(files) }
        if !living.contains(where: { $0.name.hasPrefix(tag.linkPrefix) }) {
            report.table = try UplinkTable(tag: tag, record: files.tableRecord(tag)).remove()
        }
        return report
    }

    /// Before the table goes, which stops foreign packets while forwarding is on.
    private static func restoreForwarding(_ files: UplinkFiles) throws(HostNetworkError) -> [String] {
        let journal = try NetworkJournal.load(files.journal)
        for name in journal.forwarding {
            do throws(HostError) {
                try NetworkLink.setSysctl("ipv4/conf/\(name)/forwarding", "0")
            } catch  where error.errno == .noSuchFileOrDirectory {
                continue  // the interface is gone, and its setting with it
            } catch {
                throw HostNetworkError(error)
            }
        }
        try translated { () throws(HostError) in try Files.remove(files.journal) }
        return journal.forwarding
    }
}
