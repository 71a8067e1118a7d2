#if canImport(GuestBoot)
    import GuestBoot  // the tests of this file run on the host
#endif

/// Reads /proc/net/tcp and /proc/net/tcp6.
enum ListeningPorts {
    /// Adds the listeners of one of the two files to `ports`; a port that is reachable somewhere is reachable.
    static func scan(_ table: [UInt8], into ports: inout [ListeningPort]) {
        for line in table.split(separator: 0x0a).dropFirst() {
            let fields = line.split(separator: 0x20, maxSplits: 4, omittingEmptySubsequences: true)
            guard fields.count >= 4, Array(fields[3]) == [0x30, 0x41] else { continue }  // 0A: listening
            let local = fields[1].split(separator: 0x3a)
            guard local.count == 2, let number = hexadecimal(local[1]) else { continue }
            let loopback = !isReachable(Array(local[0]))
            let port = ListeningPort(number: number, isLoopbackOnly: loopback)
            if let index = ports.firstIndex(where: { $0.number == number }) {
                if !loopback { ports[index] = port }
            } else if ports.count <= AppState.maximumOtherPorts {
                ports.append(port)
            }
        }
    }

    /// Whether IPv4 packets from outside get to a listener on this address, as the kernel prints it: 32-bit words with
    /// the first byte of the address last.
    private static func isReachable(_ address: [UInt8]) -> Bool {
        if address.allSatisfy({ $0 == 0x30 }) { return true }
        let mapped: [UInt8] = Array("0000000000000000FFFF0000".utf8)
        if address.count == 32, !address.starts(with: mapped) { return false }
        return address.suffix(2) != [0x37, 0x46]  // 127
    }

    private static func hexadecimal(_ digits: some Sequence<UInt8>) -> UInt16? {
        var value: UInt16 = 0
        var count = 0
        for digit in digits {
            let nibble: UInt8
            switch digit {
            case 0x30...0x39: nibble = digit - 0x30
            case 0x41...0x46: nibble = digit - 0x37
            default: return nil
            }
            count += 1
            guard count <= 4 else { return nil }
            value = value << 4 | UInt16(nibble)
        }
        return count > 0 ? value : nil
    }
}
