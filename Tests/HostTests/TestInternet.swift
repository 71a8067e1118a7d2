import Glibc
import HostNetwork
import LinuxHost
import SystemPackage

/// A host of our own with an uplink to an internet of our own: two namespaces, so that no test touches the network of
/// the machine it runs on.
final class TestInternet: Sendable {
    static let hostAddress = IPv4Address(5, 5, 5, 2)
    let host: NetworkNamespace
    let internet: NetworkNamespace
    let uplink: Uplink

    /// `addresses` exist in the internet; the host asks the name server `resolver`.
    init(_ folder: FilePath, addresses: [String] = [], resolver: String = "8.8.8.8", upstream: String = "") throws {
        host = try NetworkNamespace.make()
        internet = try NetworkNamespace.make()
        try AtomicFile.write(Array("nameserver \(resolver)\n".utf8), to: folder.appending("resolv.conf"))
        try AtomicFile.write(Array("nameserver \(upstream)\n".utf8), to: folder.appending("upstream.conf"))
        let files = UplinkFiles(
            folder: folder.appending("run"), resolverConfiguration: folder.appending("resolv.conf"),
            resolverUpstream: folder.appending("upstream.conf"))
        uplink = Uplink(tag: NetworkTag(StateDirectory(folder)), files: files)
        try host.run { () throws(HostError) in
            try NetworkLink.disableIPv6("default")
            try NetworkLink.setUp("lo")
            try NetworkLink.makePair("wan0", peer: "isp0", in: self.internet)
            try NetworkLink.setAddress("wan0", Self.hostAddress, prefix: 24)
            try NetworkLink.setUp("wan0")
        }.get()
        try internet.run { () throws(HostError) in
            try NetworkLink.setUp("lo")
            try NetworkLink.setAddress("isp0", IPv4Address(5, 5, 5, 1), prefix: 24)
            try NetworkLink.setUp("isp0")
            // Anything that leaves the host with a wrong source would be answered too.
            try NetworkLink.setDefaultRoute(via: Self.hostAddress, on: "isp0")
            for (number, address) in addresses.enumerated() {
                guard let address = IPv4Address(address) else { continue }
                try NetworkLink.setAddress("lo:\(number)", address, prefix: 32)
            }
        }.get()
        try host.run { () throws(HostError) in
            try NetworkLink.setDefaultRoute(via: IPv4Address(5, 5, 5, 1), on: "wan0")
        }.get()
    }

    func slot(_ number: Int = 0) throws -> Slot {
        try host.run { () throws(HostNetworkError) in try Slot.make(SlotNumber(number), uplink: uplink) }.get()
    }

    func sweep() throws -> NetworkSweep.Report {
        try host.run { () throws(HostNetworkError) in
            try NetworkSweep.run(tag: uplink.tag, files: uplink.files)
        }.get()
    }

    /// What the host has: interfaces, forwarding of the uplink, the whole ruleset.
    func hostState() throws -> [String] {
        let links = try host.run { () throws(HostError) in try NetworkLink.list().map(\.name) }.get()
        let forwarding = try host.run { () throws(HostError) in
            try ["wan0", "all", "default"].map { name throws(HostError) in
                try NetworkLink.sysctl("ipv4/conf/\(name)/forwarding")
            }
        }.get()
        let rules = try host.run { () throws(PacketFilterError) in try PacketFilter.apply("list ruleset") }.get()
        return links.sorted() + forwarding + [rules]
    }
}

/// A datagram socket in a namespace.
struct DatagramSocket: ~Copyable {
    let descriptor: OwnedDescriptor

    init(_ namespace: borrowing NetworkNamespace, at address: IPv4Address? = nil, port: UInt16 = 0) throws {
        let socket = try namespace.socket(AF_INET, Int32(SOCK_DGRAM.rawValue))
        let raw = socket.rawValue
        if let address {
            guard withAddress(address, port, { bind(raw, $0, $1) }) == 0 else {
                throw HostError("bind", "\(address):\(port)", Errno(rawValue: errno))
            }
        }
        descriptor = socket
    }

    func connect(to address: IPv4Address, port: UInt16) throws {
        guard withAddress(address, port, { Glibc.connect(descriptor.rawValue, $0, $1) }) == 0 else {
            throw HostError("connect to", "\(address):\(port)", Errno(rawValue: errno))
        }
    }

    func send(_ text: String) {
        _ = Glibc.send(descriptor.rawValue, text, text.utf8.count, 0)
    }

    func receive() throws -> String {
        try ready(descriptor, POLLIN)
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = recv(descriptor.rawValue, &bytes, bytes.count, 0)
        return String(decoding: bytes[..<max(0, count)], as: UTF8.self)
    }

    /// Receives one datagram and sends it back with `prefix` before it.
    func echo(_ prefix: String) throws {
        try ready(descriptor, POLLIN)
        var bytes = [UInt8](repeating: 0, count: 512)
        var name = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { peer in
                let count = recvfrom(descriptor.rawValue, &bytes, bytes.count, 0, peer, &size)
                let answer = Array(prefix.utf8) + bytes[..<max(0, count)]
                _ = sendto(descriptor.rawValue, answer, answer.count, 0, peer, size)
            }
        }
    }
}
