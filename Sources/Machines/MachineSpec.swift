package import LinuxHost

/// Everything a user decides about a machine.
package struct MachineSpec: Sendable {
    package enum Egress: String, Sendable, Codable, CaseIterable {
        case none, internet
    }

    package var imageName: String
    package var imageDigest: String
    package var vcpus: Int
    package var memory: MemorySize
    /// A writable disk of this size under the overlay; without it writes stay in the guest's memory.
    package var disk: MemorySize?
    /// The port whose listening means "ready"; nil for an app that serves nothing.
    package var appPort: UInt16?
    /// `NAME=VALUE`, after the image's own and stronger than them.
    package var environment: [String]
    package var egress: Egress

    package init(
        imageName: String, imageDigest: String, vcpus: Int, memory: MemorySize, disk: MemorySize?, appPort: UInt16?,
        environment: [String], egress: Egress
    ) {
        self.imageName = imageName
        self.imageDigest = imageDigest
        self.vcpus = vcpus
        self.memory = memory
        self.disk = disk
        self.appPort = appPort
        self.environment = environment
        self.egress = egress
    }
}
