import FoundationEssentials
package import LinuxHost

/// Everything that must be equal for a snapshot to stand in for a cold boot.
package struct SnapshotKey: Sendable, Hashable, Codable {
    package var imageDigest: String
    /// The file of the image's root: another way to build it gives another name.
    package var root: String
    package var vcpus: Int
    package var memoryMiB: UInt64
    package var diskMiB: UInt64?
    package var appPort: UInt16
    /// Hash over the variables: their values are nobody's business here.
    package var environment: String
    package var egress: String
    package var kernel: String
    /// PID 1 and the kernel's modules.
    package var initramfs: String
    package var vmm: String
    package var vmmVersion: String
    package var vmmBinary: String
    package var accelerator: String
    package var cpu: String
    package var hostKernel: String

    package init(
        imageDigest: String, root: String, vcpus: Int, memory: MemorySize, disk: MemorySize?, appPort: UInt16,
        environment: [String], egress: String, kernel: String, initramfs: String, vmm: String, vmmVersion: String,
        vmmBinary: String, accelerator: String, cpu: String, hostKernel: String
    ) {
        self.imageDigest = imageDigest
        self.root = root
        self.vcpus = vcpus
        self.memoryMiB = memory.mebibytes
        self.diskMiB = disk?.mebibytes
        self.appPort = appPort
        self.environment = SHA256.hash(Array(environment.joined(separator: "\0").utf8))
        self.egress = egress
        self.kernel = kernel
        self.initramfs = initramfs
        self.vmm = vmm
        self.vmmVersion = vmmVersion
        self.vmmBinary = vmmBinary
        self.accelerator = accelerator
        self.cpu = cpu
        self.hostKernel = hostKernel
    }

    /// Names the snapshot: 16 hexadecimal digits of a hash over all the rest.
    package var id: SnapshotID {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else {
            preconditionFailure("strings and integers always encode")
        }
        return SnapshotID(hash: SHA256.hash(Array(data)))
    }
}

/// The name of a snapshot and of its folder.
package struct SnapshotID: Sendable, Hashable, Codable, CustomStringConvertible {
    package let text: String

    init(hash: String) {
        text = String(hash.prefix(16))
    }

    /// nil unless `text` is 16 lower-case hexadecimal digits: a folder of another name is not ours.
    package init?(_ text: String) {
        guard text.utf8.count == 16, text.utf8.allSatisfy({ "0123456789abcdef".utf8.contains($0) }) else { return nil }
        self.text = text
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = SnapshotID(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a snapshot id")
        }
        self = id
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    package var description: String { text }
}
