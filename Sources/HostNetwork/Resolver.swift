package import LinuxHost

/// The host's DNS resolver, as guests reach it.
///
/// A guest's name server is the address of its slot. The slot passes the queries on to the host's end of its link, and
/// the host's table passes them on to the resolver, so that a host which changes networks needs no change in guests:
/// - a public or private resolver is one more hop away; the firewall lets through port 53 of that address only;
/// - a resolver on a loopback address (dnsmasq, unbound) gets the queries as if from 127.0.0.1;
/// - systemd-resolved's stub listens on the loopback interface itself and answers nobody else, so the servers it asks
///   are taken instead, from the file it keeps for such cases.
package struct Resolver: Sendable, Hashable {
    package let address: IPv4Address

    package init(_ address: IPv4Address) {
        self.address = address
    }

    /// The first usable IPv4 name server of the host's resolv.conf; `upstream` is systemd-resolved's own file.
    package static func find(configuration: String, upstream: String) -> Resolver? {
        let servers = nameServers(configuration)
        let usable = servers.filter { !isStub($0) }
        if let first = usable.first { return Resolver(first) }
        guard !servers.isEmpty else { return nil }
        return nameServers(upstream).first { !isStub($0) }.map { Resolver($0) }
    }

    private static func nameServers(_ text: String) -> [IPv4Address] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split { $0 == " " || $0 == "\t" }
            guard words.count >= 2, words[0] == "nameserver" else { return nil }
            return IPv4Address(words[1])
        }
    }

    private static func isStub(_ address: IPv4Address) -> Bool {
        address == IPv4Address(127, 0, 0, 53) || address == IPv4Address(127, 0, 0, 54)
    }
}
