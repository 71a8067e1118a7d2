package import LinuxHost

/// The nftables ruleset inside a slot, as text. The guest may always answer the gateway; with `egress` it may also
/// open connections to public addresses. The host's table says the same again: either alone keeps the guest out of
/// private networks, so a host whose tables are flushed by somebody else stays closed.
package struct SlotFirewall: Sendable, Hashable {
    package struct Egress: Sendable, Hashable {
        /// The host's end of the slot's link, where DNS queries go.
        package let hostEnd: IPv4Address
        /// The host's own addresses, which are closed even when they are public.
        package let hostAddresses: [IPv4Address]
        /// The slot's end of the link, if the host itself may connect to the guest there.
        package let reachableAt: IPv4Address?

        package init(hostEnd: IPv4Address, hostAddresses: [IPv4Address], reachableAt: IPv4Address? = nil) {
            self.hostEnd = hostEnd
            self.hostAddresses = hostAddresses
            self.reachableAt = reachableAt
        }

        /// Only the host's end may come in, and not to the agent: that is the slot's own business.
        fileprivate var inwardRedirect: String {
            guard let reachableAt else { return "" }
            return """
                        iifname "\(SlotFirewall.uplink)" ip saddr \(hostEnd) ip daddr \(reachableAt) tcp dport != 1 dnat ip to \(SlotAddresses.guest)

                """
        }

        fileprivate var inwardAccept: String {
            guard reachableAt != nil else { return "" }
            return """
                        iifname "\(SlotFirewall.uplink)" oifname "\(SlotAddresses.tap)" ip saddr \(hostEnd) ct status dnat accept

                """
        }
    }

    /// Interface of the slot that leads to the host.
    package static let uplink = "up0"
    package let egress: Egress?

    package init(egress: Egress? = nil) {
        self.egress = egress
    }

    package var ruleset: String {
        guardTable + (egress.map(egressTable) ?? closedTable)
    }

    private var guardTable: String {
        let guest = SlotAddresses.guest
        let mac = SlotAddresses.guestMAC
        return """
            table netdev slot {
                chain from_guest {
                    type filter hook ingress device "\(SlotAddresses.tap)" priority -500
                    policy drop
                    ether saddr != \(mac) drop
                    ether type arp arp saddr ether \(mac) arp saddr ip \(guest) accept
                    ether type ip ip hdrlength 5 ip saddr \(guest) accept
                }
            }

            """
    }

    private var closedTable: String {
        """
        table inet slot {
            chain input {
                type filter hook input priority filter
                policy drop
                ct state established,related accept
            }
            chain forward {
                type filter hook forward priority filter
                policy drop
            }
        }

        """
    }

    private func egressTable(_ egress: Egress) -> String {
        let tap = SlotAddresses.tap
        return """
            table inet slot {
                set closed {
                    type ipv4_addr
                    flags interval
                    elements = { \(ClosedRanges.elements(and: egress.hostAddresses)) }
                }
                chain input {
                    type filter hook input priority filter
                    policy drop
                    ct state established,related accept
                }
                chain forward {
                    type filter hook forward priority filter
                    policy drop
                    iifname "\(tap)" oifname "\(Self.uplink)" jump outward
                    iifname "\(Self.uplink)" oifname "\(tap)" ct state established,related accept
            \(egress.inwardAccept)    }
                chain outward {
                    ct state established,related accept
                    ct state != new drop
                    limit rate over 50/second burst 200 packets drop
                    ct count over 256 drop
                    ct status dnat ip daddr \(egress.hostEnd) meta l4proto { tcp, udp } th dport 53 accept
                    ip daddr @closed drop
                    meta l4proto { tcp, udp } accept
                    icmp type echo-request accept
                }
                chain prerouting {
                    type nat hook prerouting priority dstnat
                    policy accept
                    iifname "\(tap)" ip daddr \(SlotAddresses.host) meta l4proto { tcp, udp } th dport 53 dnat ip to \(egress.hostEnd)
            \(egress.inwardRedirect)    }
                chain postrouting {
                    type nat hook postrouting priority srcnat
                    policy accept
                    oifname "\(Self.uplink)" masquerade
                }
            }

            """
    }
}
