import Glibc
import HostNetwork
import LinuxHost
import SystemPackage
import TestSupport
import Testing

@Suite(.enabled(if: HostRequirements.slots, "needs root and /dev/net/tun")) struct DNSTests {
    /// Where the host's resolver is, what its configuration says, and what systemd-resolved's own file says.
    struct Setting: Sendable, CustomTestStringConvertible {
        let name: String
        let server: IPv4Address
        let onHost: Bool
        var resolver: String
        var upstream = ""
        var testDescription: String { name }
    }

    static let settings = [
        Setting(name: "loopback", server: IPv4Address(127, 0, 0, 1), onHost: true, resolver: "127.0.0.1"),
        Setting(name: "the host's own", server: TestInternet.hostAddress, onHost: true, resolver: "5.5.5.2"),
        Setting(name: "private", server: IPv4Address(10, 0, 0, 53), onHost: false, resolver: "10.0.0.53"),
        Setting(name: "public", server: IPv4Address(9, 9, 9, 9), onHost: false, resolver: "9.9.9.9"),
        Setting(
            name: "systemd-resolved", server: IPv4Address(10, 0, 0, 53), onHost: false, resolver: "127.0.0.53",
            upstream: "10.0.0.53"),
    ]

    @Test(arguments: settings)
    func `a guest's queries to its slot are answered by the host's resolver`(_ setting: Setting) throws {
        try withScratch { folder in
            let net = try TestInternet(
                folder, addresses: setting.onHost ? [] : [setting.server.description], resolver: setting.resolver,
                upstream: setting.upstream)
            let slot = try net.slot()
            let guest = try TestGuest(slot)
            let server =
                try setting.onHost
                ? DatagramSocket(net.host, at: setting.server, port: 53)
                : DatagramSocket(net.internet, at: setting.server, port: 53)
            let stream = try setting.onHost ? Listener(net.host, port: 53) : Listener(net.internet, port: 53)
            for number in 0..<3 {
                let client = try DatagramSocket(guest.namespace)
                try client.connect(to: SlotAddresses.host, port: 53)
                client.send("query \(number)")
                try server.echo("answer to ")
                #expect(try client.receive() == "answer to query \(number)")
            }
            let client = try guest.namespace.socket(AF_INET, Int32(SOCK_STREAM.rawValue))
            _ = withAddress(SlotAddresses.host, 53) { connect(client.rawValue, $0, $1) }
            try stream.answer("long answer")
            #expect(try readAll(client) == "long answer")
        }
    }

    @Test func `a private resolver is reached through the slot's address only, and on no other port`() throws {
        try withScratch { folder in
            let net = try TestInternet(folder, addresses: ["10.0.0.53"], resolver: "10.0.0.53")
            let guest = try TestGuest(try net.slot())
            let capture = try Capture(net.internet, link: "isp0")
            for (address, port) in [("10.0.0.53", 53), ("10.0.0.53", 80), ("172.16.0.1", 80)] {
                let client = try DatagramSocket(guest.namespace)
                guard let target = IPv4Address(address) else { continue }
                try client.connect(to: target, port: UInt16(port))
                client.send("query")
            }
            #expect(capture.packets().isEmpty)
        }
    }
}
