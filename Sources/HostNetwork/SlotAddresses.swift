package import LinuxHost

/// The names and addresses that every slot has: they are the same in each, so a guest that was captured in one slot
/// runs in any other without being told anything.
package enum SlotAddresses {
    package static let tap = "tap0"
    package static let host = IPv4Address(172, 16, 0, 1)
    package static let guest = IPv4Address(172, 16, 0, 2)
    package static let prefix = 30
    package static let hostMAC = MACAddress([0x06, 0x00, 0xac, 0x10, 0x00, 0x01])
    package static let guestMAC = MACAddress([0x06, 0x00, 0xac, 0x10, 0x00, 0x02])
}

/// The number of a slot: unique in the process, lowest free first.
package struct SlotNumber: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let value: Int

    package init(_ value: Int) {
        self.value = value
    }

    package static func < (left: SlotNumber, right: SlotNumber) -> Bool { left.value < right.value }
    package var description: String { "\(value)" }
}
