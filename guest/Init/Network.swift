import CGuest

/// Interfaces, and what /etc says about the network.
enum Network {
    static func bringUp(_ configuration: RunConfiguration) throws(BootError) {
        try BootError.check(g_interface_up("lo", nil, 0), "bring up lo")
        // The link is IPv4 only; programs may still listen on `::`.
        setting("net/ipv6/conf/eth0/disable_ipv6", "1")
        // As container runtimes do: any user may listen on port 80 and send pings.
        setting("net/ipv4/ip_unprivileged_port_start", "0")
        setting("net/ipv4/ping_group_range", "0 2147483647")
        // Listeners that want it hear what a connection's first packet says; the agent's does.
        setting("net/ipv4/tcp_fastopen", "3")
        try BootError.check(
            g_interface_up("eth0", configuration.address.bytes, Int32(configuration.prefixLength)), "bring up eth0")
        try BootError.check(g_default_route(configuration.gateway.bytes), "set the default route")
        if configuration.gatewayMAC.count == 6 {
            try BootError.check(
                g_permanent_neighbour("eth0", configuration.gateway.bytes, configuration.gatewayMAC),
                "set the gateway's address")
        }
    }

    static func writeNames(_ configuration: RunConfiguration) {
        let name = configuration.hostname
        let known = """
            127.0.0.1\tlocalhost
            ::1\tlocalhost ip6-localhost ip6-loopback
            fe00::\tip6-localnet
            ff00::\tip6-mcastprefix
            ff02::1\tip6-allnodes
            ff02::2\tip6-allrouters

            """
        replaceFile("/etc/hosts", Array((known + text(configuration.address) + "\t").utf8) + name + [0x0a])
        // Without a name server the file stays empty, so that look-ups fail at once instead of trying the image's own.
        var resolver = ""
        for server in configuration.nameservers { resolver += "nameserver " + text(server) + "\n" }
        replaceFile("/etc/resolv.conf", Array(resolver.utf8))
    }

    /// A kernel that lacks the setting lacks what it is about.
    private static func setting(_ name: String, _ value: String) {
        let file = g_open("/proc/sys/" + name, O_WRONLY, 0)
        guard file >= 0 else { return }
        let bytes = Array(value.utf8)
        _ = bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        close(file)
    }

    private static func text(_ address: IPv4Address) -> String {
        "\(address.a).\(address.b).\(address.c).\(address.d)"
    }
}
