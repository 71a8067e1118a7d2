import LinuxHost

/// Addresses that are nobody's on the public internet, or are somebody's nearby: no guest may reach them.
enum ClosedRanges {
    static let all: [IPv4Network] = [
        IPv4Network(IPv4Address(0, 0, 0, 0), prefix: 8),  // this network
        IPv4Network(IPv4Address(10, 0, 0, 0), prefix: 8),  // private
        IPv4Network(IPv4Address(100, 64, 0, 0), prefix: 10),  // carrier-grade NAT; our own links
        IPv4Network(IPv4Address(127, 0, 0, 0), prefix: 8),  // loopback
        IPv4Network(IPv4Address(169, 254, 0, 0), prefix: 16),  // link-local; metadata services
        IPv4Network(IPv4Address(172, 16, 0, 0), prefix: 12),  // private
        IPv4Network(IPv4Address(192, 0, 0, 0), prefix: 24),  // protocol assignments; a metadata service
        IPv4Network(IPv4Address(192, 0, 2, 0), prefix: 24),  // documentation
        IPv4Network(IPv4Address(192, 88, 99, 0), prefix: 24),  // 6to4 relays
        IPv4Network(IPv4Address(192, 168, 0, 0), prefix: 16),  // private
        IPv4Network(IPv4Address(198, 18, 0, 0), prefix: 15),  // benchmarks
        IPv4Network(IPv4Address(198, 51, 100, 0), prefix: 24),  // documentation
        IPv4Network(IPv4Address(203, 0, 113, 0), prefix: 24),  // documentation
        IPv4Network(IPv4Address(224, 0, 0, 0), prefix: 4),  // multicast
        IPv4Network(IPv4Address(240, 0, 0, 0), prefix: 4),  // reserved; broadcast
    ]

    /// The members of an nftables set: the ranges and those of `addresses` that are in none of them.
    static func elements(and addresses: [IPv4Address] = []) -> String {
        let outside = Set(addresses).filter { address in !all.contains { $0.contains(address) } }
        return (all.map(\.description) + outside.sorted().map(\.description)).joined(separator: ", ")
    }
}
