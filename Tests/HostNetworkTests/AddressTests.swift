import HostNetwork
import LinuxHost
import SystemPackage
import Testing

@Suite struct AddressTests {
    @Test func `a link's name carries the whole tag in the 15 bytes there are`() throws {
        let tag = try #require(NetworkTag("0123abcd"))
        let name = tag.link(EgressNumber(0x1a2))
        #expect(name == "fc0123abcd-01a2")
        #expect(name.utf8.count == 15)
        #expect(EgressNumber(link: name) == EgressNumber(0x1a2))
    }

    @Test(arguments: [
        "eth0", "tap_fc9", "fc0", "fc0123abcd", "fc0123abcd-", "fc0123abcd-1", "fc0123ABCD-0000", "fc0123abcd-zzzz",
        "fd0123abcd-0000", "fc0123abcd-ffff", "fc0123abcd_0000", "docker0",
    ])
    func `no other interface is taken for ours`(_ name: String) {
        #expect(EgressNumber(link: name) == nil)
    }

    @Test(arguments: ["", "0123abc", "0123abcde", "0123ABCD", "0123abcg"])
    func `malformed tags are refused`(_ text: String) {
        #expect(NetworkTag(text) == nil)
    }

    @Test func `each state directory has its own tag, always the same`() {
        let first = NetworkTag(StateDirectory("/var/lib/a"))
        #expect(first == NetworkTag(StateDirectory("/var/lib/a")))
        #expect(first != NetworkTag(StateDirectory("/var/lib/b")))
        #expect(NetworkTag(first.description) == first)
    }

    @Test func `numbers map to addresses that do not overlap`() {
        #expect(EgressNumber(0).hostEnd == IPv4Address(100, 127, 0, 1))
        #expect(EgressNumber(0).slotEnd == IPv4Address(100, 127, 0, 2))
        #expect(EgressNumber(65).slotEnd == IPv4Address(100, 127, 1, 6))
        #expect(EgressNumber(EgressNumber.limit - 1).slotEnd == IPv4Address(100, 127, 255, 254))
    }

    @Test func `the lowest number is free of links, whosever, and of routes that lead elsewhere`() {
        let own = NetworkRoutes.Route(link: "fc0123abcd-0000", network: EgressNumber(0).network)
        let wide = NetworkRoutes.Route(link: "vpn0", network: IPv4Network(IPv4Address(100, 64, 0, 0), prefix: 10))
        let peer = NetworkRoutes.Route(link: "vpn0", network: IPv4Network(IPv4Address(100, 127, 0, 9), prefix: 32))
        let links = ["lo", "fc0123abcd-0000", "fc89abcdef-0001"]
        #expect(EgressNumber.lowestFree(links: links, routes: [own, wide, peer]) == EgressNumber(3))
        let all = NetworkRoutes.Route(link: "vpn0", network: EgressNumber.pool)
        #expect(EgressNumber.lowestFree(links: [], routes: [all]) == nil)
    }

    @Test func `the kernel's route table is read`() {
        let text = """
            Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
            eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
            broken line

            """
        let routes = NetworkRoutes.parse(text)
        #expect(routes.map(\.isDefault) == [true, false])
        #expect(routes.last?.network.description == "192.0.2.0/24")
    }

    @Test(arguments: ["1.2.3.4", "0.0.0.0", "255.255.255.255"])
    func `addresses read what they print`(_ text: String) {
        #expect(IPv4Address(text)?.description == text)
    }

    @Test(arguments: ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.x", "+1.2.3.4", "1..2.3", "::1"])
    func `malformed addresses are refused`(_ text: String) {
        #expect(IPv4Address(text) == nil)
    }
}

@Suite struct ResolverTests {
    @Test(arguments: [
        ("nameserver 10.0.0.2\nnameserver 8.8.8.8\n", "", "10.0.0.2"),
        ("# nameserver 1.1.1.1\nsearch lan\nnameserver\t127.0.0.1", "", "127.0.0.1"),
        ("nameserver fe80::1%eth0\nnameserver 9.9.9.9\n", "", "9.9.9.9"),
        ("nameserver 127.0.0.53\noptions edns0\n", "nameserver 10.1.1.1\n", "10.1.1.1"),
        ("nameserver 127.0.0.53\nnameserver 8.8.4.4\n", "nameserver 10.1.1.1\n", "8.8.4.4"),
    ])
    func `the first name server that can be reached is taken`(
        _ configuration: String, _ upstream: String, _ want: String
    ) {
        #expect(Resolver.find(configuration: configuration, upstream: upstream)?.address.description == want)
    }

    @Test(arguments: [
        ("", "nameserver 10.1.1.1\n"), ("nameserver 2001:db8::1\n", ""), ("nameserver 127.0.0.53\n", ""),
        ("nameserver 127.0.0.53\n", "nameserver 2001:db8::1\n"),
    ])
    func `a host without an IPv4 name server has none`(_ configuration: String, _ upstream: String) {
        #expect(Resolver.find(configuration: configuration, upstream: upstream) == nil)
    }
}
