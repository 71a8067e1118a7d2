import LinuxHost

/// The one nftables table in the host's own namespace, as text. Its rules match the prefix of our links, so it is the
/// same however many slots there are, and the host's other traffic never meets one of its verdicts.
package struct UplinkFirewall: Sendable, Hashable {
    package let tag: NetworkTag
    package let resolver: Resolver?
    /// Interfaces on which the host forwarded nothing until we switched it on: they still forward only replies.
    package let guarded: [String]

    package init(tag: NetworkTag, resolver: Resolver?, guarded: [String]) {
        self.tag = tag
        self.resolver = resolver
        self.guarded = guarded
    }

    /// Replaces the table in one transaction.
    package var ruleset: String {
        """
        table inet \(tag.table)
        delete table inet \(tag.table)
        table inet \(tag.table) {
            set closed {
                type ipv4_addr
                flags interval
                elements = { \(ClosedRanges.elements()) }
            }
            chain input {
                type filter hook input priority filter
                policy accept
                \(links("iifname")) jump input_from_slots
            }
            chain input_from_slots {
                ct state established,related accept
        \(rules(queryRules))
                drop
            }
            chain forward {
                type filter hook forward priority filter
                policy accept
                \(links("iifname")) jump forward_from_slots
                \(links("oifname")) jump forward_to_slots
        \(rules(guardRules))
            }
            chain forward_from_slots {
                \(links("oifname")) drop
                meta nfproto != ipv4 drop
                ip saddr != \(EgressNumber.pool) drop
                ct state invalid drop
        \(rules(queryRules))
                ip daddr @closed drop
                fib daddr type != unicast drop
                accept
            }
            chain forward_to_slots {
                ct state established,related accept
                drop
            }
            chain prerouting {
                type nat hook prerouting priority dstnat
                policy accept
        \(rules(redirectRules))
            }
            chain query_loopback {
                type nat hook input priority 100
                policy accept
        \(rules(loopbackRules))
            }
            chain postrouting {
                type nat hook postrouting priority srcnat
                policy accept
                ip saddr \(EgressNumber.pool) oifname != "\(tag.linkPrefix)*" masquerade
            }
        }

        """
    }

    private func links(_ key: String) -> String { "\(key) \"\(tag.linkPrefix)*\"" }
    private func rules(_ lines: [String]) -> String { lines.map { "        " + $0 }.joined(separator: "\n") }

    /// The resolver may be an address of the host or one that it forwards to, and which of the two can change.
    private var queryRules: [String] {
        guard let resolver else { return [] }
        return ["ct status dnat ip daddr \(resolver.address) meta l4proto { tcp, udp } th dport 53 accept"]
    }

    private var redirectRules: [String] {
        guard let resolver else { return [] }
        return [
            "\(links("iifname")) ip daddr \(EgressNumber.pool) fib daddr type local meta l4proto { tcp, udp } th dport 53 "
                + "dnat ip to \(resolver.address)"
        ]
    }

    private var loopbackRules: [String] {
        guard let resolver, resolver.address.isLoopback else { return [] }
        return ["\(links("iifname")) ip daddr \(resolver.address) snat ip to 127.0.0.1"]
    }

    private var guardRules: [String] {
        guarded.flatMap { name in
            ["iifname \"\(name)\" ct state established,related accept", "iifname \"\(name)\" drop"]
        }
    }
}
