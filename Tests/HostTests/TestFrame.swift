import Glibc
import HostNetwork
import LinuxHost

/// A UDP datagram to 8.8.8.8 as an Ethernet frame, right but for what a test changes.
struct TestFrame {
    var port: UInt16
    var sourceMAC = SlotAddresses.guestMAC
    var source = SlotAddresses.guest
    var etherType: UInt16 = 0x0800
    var vlan: UInt16?
    var options = false

    func send(_ tap: borrowing OwnedDescriptor) {
        let bytes = [UInt8](repeating: 0, count: 10) + frame
        _ = write(tap.rawValue, bytes, bytes.count)
    }

    private var frame: [UInt8] {
        let tag = vlan.map { big(0x8100) + big($0) } ?? []
        return SlotAddresses.hostMAC.bytes + sourceMAC.bytes + tag + big(etherType) + packet
    }

    private var packet: [UInt8] {
        let words: UInt8 = options ? 6 : 5
        let length = UInt16(words) * 4 + 9
        var header: [UInt8] = [0x40 | words, 0] + big(length) + [0, 1, 0, 0, 64, 17, 0, 0]
        header += address(source) + [8, 8, 8, 8] + (options ? [1, 1, 1, 0] : [])
        var sum: UInt32 = 0
        for index in stride(from: 0, to: header.count, by: 2) {
            sum += UInt32(header[index]) << 8 | UInt32(header[index + 1])
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        header.replaceSubrange(10..<12, with: big(~UInt16(sum)))
        return header + big(4000) + big(port) + big(9) + [0, 0] + [UInt8(ascii: "x")]
    }

    private func big(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
    private func address(_ address: IPv4Address) -> [UInt8] {
        withUnsafeBytes(of: address.value.bigEndian) { Array($0) }
    }
}
