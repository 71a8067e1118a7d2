// The run configuration: what the guest runs and how, a file `/run.config` in the initramfs.
//
// Written by the host, read once by PID 1; never passed through a kernel command line or a shell. The format:
//
//     "FCRC" · version u8 (1) · records · end record
//     record: tag u8, length u32 little-endian, value
//
// Integers in values are little-endian. Text is raw bytes without NUL. The tags `argument`, `variable`, `group` and
// `nameserver` may repeat, in order; every other tag stands at most once. Unknown tags, a second one of a single tag,
// wrong lengths, NUL bytes and anything after the end record make the whole file invalid.

/// Why bytes are not a run configuration, or a value cannot stand in one.
package enum RunConfigurationError: Error, Equatable, Sendable {
    case notAConfiguration
    case truncated
    case malformed(tag: UInt8)
    case duplicate(tag: UInt8)
    case containsNUL(tag: UInt8)
    case tooLarge
    case noCommand
}

package struct IPv4Address: Hashable, Sendable {
    /// As written: `a.b.c.d`.
    package let a, b, c, d: UInt8

    package init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
        (self.a, self.b, self.c, self.d) = (a, b, c, d)
    }

    package var bytes: [UInt8] { [a, b, c, d] }
}

package struct RunConfiguration: Equatable, Sendable {
    /// Program and arguments. The program is looked up in the PATH of `environment` unless it has a slash.
    package var arguments: [[UInt8]]
    /// `NAME=value`, from the image and the command line. PATH, HOME and HOSTNAME are added when absent.
    package var environment: [[UInt8]] = []
    package var workingDirectory: [UInt8] = [UInt8(ascii: "/")]
    package var userID: UInt32 = 0
    package var groupID: UInt32 = 0
    package var supplementaryGroups: [UInt32] = []
    /// The signal that asks the app to end; 15 unless the image says otherwise.
    package var stopSignal: UInt8 = 15
    package var hostname: [UInt8] = Array("microvm".utf8)
    package var address = IPv4Address(172, 16, 0, 2)
    package var prefixLength: UInt8 = 30
    /// The host's end of the link, and the only address the agent accepts connections from.
    package var gateway = IPv4Address(172, 16, 0, 1)
    /// Ethernet address of the gateway when it never changes; empty = ask by ARP.
    package var gatewayMAC: [UInt8] = []
    package var nameservers: [IPv4Address] = []
    /// The second disk holds the writable layer; otherwise memory does.
    package var usesScratchDisk = false
    package var appPort: UInt16 = 3000
    package var agentPort: UInt16 = AgentProtocol.port
    /// Nanoseconds since 1970 to set the clock to; 0 = leave it as the hardware says.
    package var clockNanoseconds: UInt64 = 0
    /// Up to 64 bytes for the kernel's random number generator, fresh for each machine.
    package var entropy: [UInt8] = []

    package static let maximumLength = 4 << 20

    package init(arguments: [[UInt8]]) {
        self.arguments = arguments
    }
}

extension RunConfiguration {
    enum Tag: UInt8 {
        case end = 0
        case argument, variable, workingDirectory, userID, groupID, group, stopSignal, hostname, address, gateway
        case gatewayMAC, nameserver, usesScratchDisk, appPort, agentPort, clock, entropy

        var mayRepeat: Bool { self == .argument || self == .variable || self == .group || self == .nameserver }
    }
    static let magic: [UInt8] = [0x46, 0x43, 0x52, 0x43, 1]
}
