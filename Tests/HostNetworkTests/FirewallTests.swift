import HostNetwork
import LinuxHost
import Testing

@Suite struct FirewallTests {
    private let tag = NetworkTag("0123abcd")

    @Test func `a slot without egress lets in answers only`() {
        let expected = """
            table netdev slot {
                chain from_guest {
                    type filter hook ingress device "tap0" priority -500
                    policy drop
                    ether saddr != 06:00:ac:10:00:02 drop
                    ether type arp arp saddr ether 06:00:ac:10:00:02 arp saddr ip 172.16.0.2 accept
                    ether type ip ip hdrlength 5 ip saddr 172.16.0.2 accept
                }
            }
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
        #expect(SlotFirewall().ruleset == expected)
    }

    @Test func `a slot with egress closes the host's public addresses as well`() {
        let addresses = [IPv4Address(127, 0, 0, 1), IPv4Address(5, 5, 5, 2), IPv4Address(192, 168, 1, 9)]
        let egress = SlotFirewall.Egress(hostEnd: IPv4Address(100, 127, 0, 1), hostAddresses: addresses)
        let rules = SlotFirewall(egress: egress).ruleset
        #expect(rules.contains("224.0.0.0/4, 240.0.0.0/4, 5.5.5.2 }"))
        #expect(rules.contains("dnat ip to 100.127.0.1"))
        #expect(rules.contains("ct count over 256 drop"))
    }

    @Test func `only a reachable slot lets its host in, and not to the agent`() {
        let host = IPv4Address(100, 127, 0, 1)
        let address = IPv4Address(100, 127, 0, 2)
        let closed = SlotFirewall(egress: .init(hostEnd: host, hostAddresses: [])).ruleset
        let open = SlotFirewall(egress: .init(hostEnd: host, hostAddresses: [], reachableAt: address)).ruleset
        let added = Set(open.split(separator: "\n")).subtracting(closed.split(separator: "\n"))
        let rules = [
            #"iifname "up0" oifname "tap0" ip saddr 100.127.0.1 ct status dnat accept"#,
            #"iifname "up0" ip saddr 100.127.0.1 ip daddr 100.127.0.2 tcp dport != 1 dnat ip to 172.16.0.2"#,
        ]
        #expect(Set(added.map { $0.drop { $0 == " " } }) == Set(rules.map { Substring($0) }))
    }

    @Test func `the host's table is about our links only`() throws {
        let tag = try #require(tag)
        let resolver = Resolver(IPv4Address(127, 0, 0, 1))
        let expected = """
            table inet fcctl_0123abcd
            delete table inet fcctl_0123abcd
            table inet fcctl_0123abcd {
                set closed {
                    type ipv4_addr
                    flags interval
                    elements = { 0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, \
            192.0.0.0/24, 192.0.2.0/24, 192.88.99.0/24, 192.168.0.0/16, 198.18.0.0/15, 198.51.100.0/24, \
            203.0.113.0/24, 224.0.0.0/4, 240.0.0.0/4 }
                }
                chain input {
                    type filter hook input priority filter
                    policy accept
                    iifname "fc0123abcd-*" jump input_from_slots
                }
                chain input_from_slots {
                    ct state established,related accept
                    ct status dnat ip daddr 127.0.0.1 meta l4proto { tcp, udp } th dport 53 accept
                    drop
                }
                chain forward {
                    type filter hook forward priority filter
                    policy accept
                    iifname "fc0123abcd-*" jump forward_from_slots
                    oifname "fc0123abcd-*" jump forward_to_slots
                    iifname "eth0" ct state established,related accept
                    iifname "eth0" drop
                }
                chain forward_from_slots {
                    oifname "fc0123abcd-*" drop
                    meta nfproto != ipv4 drop
                    ip saddr != 100.127.0.0/16 drop
                    ct state invalid drop
                    ct status dnat ip daddr 127.0.0.1 meta l4proto { tcp, udp } th dport 53 accept
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
                    iifname "fc0123abcd-*" ip daddr 100.127.0.0/16 fib daddr type local meta l4proto { tcp, udp } \
            th dport 53 dnat ip to 127.0.0.1
                }
                chain query_loopback {
                    type nat hook input priority 100
                    policy accept
                    iifname "fc0123abcd-*" ip daddr 127.0.0.1 snat ip to 127.0.0.1
                }
                chain postrouting {
                    type nat hook postrouting priority srcnat
                    policy accept
                    ip saddr 100.127.0.0/16 oifname != "fc0123abcd-*" masquerade
                }
            }

            """
        #expect(UplinkFirewall(tag: tag, resolver: resolver, guarded: ["eth0"]).ruleset == expected)
    }

    @Test func `without a resolver nothing is redirected`() throws {
        let rules = UplinkFirewall(tag: try #require(tag), resolver: nil, guarded: []).ruleset
        #expect(!rules.contains("dnat"))
        #expect(!rules.contains("eth0"))
    }

    @Test func `chains that drop forwarded packets are found among others`() throws {
        let chains = """
            table ip filter {
            \tchain INPUT {
            \t\ttype filter hook input priority filter; policy drop;
            \t}
            \tchain FORWARD {
            \t\ttype filter hook forward priority filter; policy drop;
            \t}
            \tchain DOCKER-USER {
            \t}
            }
            table ip6 filter {
            \tchain FORWARD {
            \t\ttype filter hook forward priority filter; policy drop;
            \t}
            }
            table inet firewalld {
            \tchain filter_FORWARD {
            \t\ttype filter hook forward priority filter + 10; policy accept;
            \t}
            }
            """
        let found = ForwardObstacle.find(inChains: chains, tag: try #require(tag))
        #expect(found.map(\.chain) == ["FORWARD"])
        #expect("\(found)".contains("iptables -I FORWARD -i 'fc0123abcd-+' -j ACCEPT"))
    }
}
