import LinuxHost
import SystemPackage

/// The way out for the slots of one installation: a link from each slot to the calling thread's own network, one
/// nftables table there, and forwarding where it is needed. Every change is made under one lock of the host.
package struct Uplink: Sendable {
    package let tag: NetworkTag
    package let files: UplinkFiles

    package init(tag: NetworkTag, files: UplinkFiles = UplinkFiles()) {
        self.tag = tag
        self.files = files
    }

    /// Links a slot to the host and returns the slot's address on the link. The link goes when the slot does.
    func attach(_ slot: Slot, reachable: Bool) throws(HostNetworkError) -> IPv4Address {
        let number = try files.locked { () throws(HostNetworkError) in try makeHostEnd(of: slot) }
        let addresses = try translated { () throws(HostError) in try NetworkRoutes.localAddresses() }
        let egress = SlotFirewall.Egress(
            hostEnd: number.hostEnd, hostAddresses: addresses, reachableAt: reachable ? number.slotEnd : nil)
        try translated { () throws(HostError) in
            try slot.namespace.run { () throws(HostNetworkError) in try Self.setUpSlot(number, egress) }
        }.get()
        return number.slotEnd
    }

    private func makeHostEnd(of slot: Slot) throws(HostNetworkError) -> EgressNumber {
        let routes = try translated { () throws(HostError) in try NetworkRoutes.read() }
        let resolver = files.resolver()
        try prepareHost(routes, resolver)
        let links = try translated { () throws(HostError) in try NetworkLink.list() }
        guard let number = EgressNumber.lowestFree(links: links.map(\.name), routes: routes) else {
            throw .noAddressLeft
        }
        try translated { () throws(HostError) in
            try makeLink(number, slot, loopback: resolver?.address.isLoopback == true)
        }
        return number
    }

    /// Sets up the host's side again after something else changed it: a flushed table, another uplink, another
    /// resolver. Does nothing while no slot of this installation has a link.
    package func refresh() throws(HostNetworkError) {
        try files.locked { () throws(HostNetworkError) in
            let links = try translated { () throws(HostError) in try NetworkLink.list() }
            guard links.contains(where: { $0.name.hasPrefix(tag.linkPrefix) }) else { return }
            let routes = try translated { () throws(HostError) in try NetworkRoutes.read() }
            try prepareHost(routes, files.resolver())
        }
    }

    /// Table first, forwarding second, so that nothing is ever forwarded that the table would stop.
    private func prepareHost(_ routes: [NetworkRoutes.Route], _ resolver: Resolver?) throws(HostNetworkError) {
        var journal = try NetworkJournal.load(files.journal)
        var off: [String] = []
        for name in Set(routes.filter(\.isDefault).map(\.link)).sorted() where UplinkFiles.isPlain(name) {
            let value = try translated { () throws(HostError) in try NetworkLink.sysctl("ipv4/conf/\(name)/forwarding")
            }
            if value == "0" { off.append(name) }
        }
        let unknown = off.filter { !journal.forwarding.contains($0) }
        if !unknown.isEmpty {
            journal.forwarding += unknown
            try journal.save(files.journal)
        }
        let firewall = UplinkFirewall(tag: tag, resolver: resolver, guarded: journal.forwarding)
        try UplinkTable(tag: tag, record: files.tableRecord(tag)).apply(firewall)
        for name in off {
            try translated { () throws(HostError) in try NetworkLink.setSysctl("ipv4/conf/\(name)/forwarding", "1") }
        }
    }

    private func makeLink(_ number: EgressNumber, _ slot: Slot, loopback: Bool) throws(HostError) {
        let name = tag.link(number)
        try NetworkLink.makePair(name, peer: SlotFirewall.uplink, in: slot.namespace)
        do throws(HostError) {
            try NetworkLink.setAlias(name, UplinkFiles.alias(of: slot.namespace.inode))
            try NetworkLink.disableIPv6(name)
            try NetworkLink.setSysctl("ipv4/conf/\(name)/forwarding", "1")
            // The resolver's own address is the one loopback address that the table lets through.
            if loopback { try NetworkLink.setSysctl("ipv4/conf/\(name)/route_localnet", "1") }
            try NetworkLink.setAddress(name, number.hostEnd, prefix: number.network.prefix)
            try NetworkLink.setUp(name)
        } catch {
            try? NetworkLink.remove(name)  // it goes with the slot anyway; the first error is the one to report
            throw error
        }
    }

    /// Runs on a thread inside the slot's namespace.
    private static func setUpSlot(_ number: EgressNumber, _ egress: SlotFirewall.Egress) throws(HostNetworkError) {
        do { try PacketFilter.apply(SlotFirewall(egress: egress).ruleset) } catch { throw HostNetworkError(error) }
        try translated { () throws(HostError) in
            try NetworkLink.setAddress(SlotFirewall.uplink, number.slotEnd, prefix: number.network.prefix)
            try NetworkLink.setUp(SlotFirewall.uplink)
            try NetworkLink.setDefaultRoute(via: number.hostEnd, on: SlotFirewall.uplink)
            try NetworkLink.setSysctl("ipv4/ip_forward", "1")
        }
    }
}
