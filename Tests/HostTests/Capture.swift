import Glibc
import LinuxHost
import SystemPackage

/// Sees the IPv4 packets that arrive at an interface.
struct Capture: ~Copyable {
    struct Packet: Hashable {
        let source: IPv4Address
        let target: IPv4Address
        let transport: UInt8
        let port: UInt16
    }

    private let descriptor: OwnedDescriptor

    init(_ namespace: borrowing NetworkNamespace, link: String) throws {
        let socket = try namespace.socket(
            AF_PACKET, Int32(SOCK_DGRAM.rawValue), protocol: Int32(UInt16(0x0800).bigEndian))
        let index = try namespace.run { () throws(HostError) in if_nametoindex(link) }.get()
        // sockaddr_ll, which the Glibc module does not have: family, protocol, interface, then 12 bytes for answers.
        var name = [UInt8](repeating: 0, count: 20)
        name.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: sa_family_t(AF_PACKET), as: sa_family_t.self)
            bytes.storeBytes(of: UInt16(0x0800).bigEndian, toByteOffset: 2, as: UInt16.self)
            bytes.storeBytes(of: Int32(index), toByteOffset: 4, as: Int32.self)
        }
        let result = name.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { bind(socket.rawValue, $0.baseAddress, 20) }
        }
        guard result == 0 else { throw HostError("capture at", link, Errno(rawValue: errno)) }
        descriptor = socket
    }

    /// Until something arrives, at most two seconds.
    func wait() throws { try ready(descriptor, POLLIN) }

    /// What arrived since the last call.
    func packets() -> [Packet] {
        var found: [Packet] = []
        var bytes = [UInt8](repeating: 0, count: 2048)
        var from = [UInt8](repeating: 0, count: 20)
        while true {
            var size = socklen_t(from.count)
            let count = from.withUnsafeMutableBytes { name in
                name.withMemoryRebound(to: sockaddr.self) {
                    recvfrom(descriptor.rawValue, &bytes, bytes.count, 0, $0.baseAddress, &size)
                }
            }
            guard count >= 24 else { return found }
            if from[10] == 4 { continue }  // sent by the interface's own side
            let header = Int(bytes[0] & 15) * 4
            found.append(
                Packet(
                    source: IPv4Address(bytes[12], bytes[13], bytes[14], bytes[15]),
                    target: IPv4Address(bytes[16], bytes[17], bytes[18], bytes[19]), transport: bytes[9],
                    port: UInt16(bytes[header + 2]) << 8 | UInt16(bytes[header + 3])))
        }
    }
}
