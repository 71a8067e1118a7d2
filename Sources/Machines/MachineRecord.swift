package import LinuxHost
package import VMM

/// What `vms/<id>/metadata.json` holds: enough for any later process to find, judge and remove the machine.
package struct MachineRecord: Sendable, Codable {
    /// Records of another version are left alone and reported, never guessed at.
    package static let currentVersion = 1

    package enum State: String, Sendable, Codable {
        /// Written before the first resource is made; still there after a crash of the starter.
        case starting
        /// A clone that waits to be needed: not a machine yet to anybody but its gateway.
        case prepared
        case running, paused
        /// The guest has powered off or its VMM is gone; the folder with its log remains until `delete`.
        case stopped
    }

    /// Who is responsible for the machine while it lives.
    package enum Owner: Sendable, Codable, Equatable {
        /// `fcctl run`: nobody, once it has started; `process` is the starter until then.
        case user
        /// A gateway, by name; its machines go when it does.
        case gateway(String)
    }

    package var version = MachineRecord.currentVersion
    package let id: MachineID
    package var name: MachineName
    package var state: State
    package let owner: Owner
    /// The process that made the record, so that a start that died half-way is told from one that is under way.
    package let starter: ProcessIdentity
    /// `/proc/sys/kernel/random/boot_id`: nothing of an earlier boot can still be running.
    package let bootID: String
    /// Seconds since 1970.
    package let createdAt: Int64
    package let image: String
    package let imageDigest: String
    package let vcpus: Int
    package let memoryMiB: UInt64
    package let diskMiB: UInt64?
    package let appPort: UInt16?
    package let egress: String
    package let vmm: VMMKind
    package let isolation: Isolation
    /// The guest's address as the host reaches it, once the slot exists.
    package var address: String?
    package var process: VMProcess?
    /// The unprivileged user the VMM runs as: no two machines that run share one.
    package var userID: UInt32 = 0
    package static let userIDs: ClosedRange<UInt32> = 30000...39999
    /// Milliseconds each phase of the start took, by name.
    package var phases: StartPhases?
    /// True for a machine that its starter made for itself, a template or a measured one: it goes when the starter does,
    /// and is in no list.
    package var isTransient: Bool?
    /// The snapshot that the machine is a clone of.
    package var snapshot: String?
    /// How the app ended, once it has: `status 3`, `signal 9`, `killed`.
    package var exit: String?

    package init(
        id: MachineID, name: MachineName, owner: Owner, starter: ProcessIdentity, bootID: String, createdAt: Int64,
        spec: MachineSpec, vmm: VMMKind, isolation: Isolation
    ) {
        self.id = id
        self.name = name
        self.state = .starting
        self.owner = owner
        self.starter = starter
        self.bootID = bootID
        self.createdAt = createdAt
        self.image = spec.imageName
        self.imageDigest = spec.imageDigest
        self.vcpus = spec.vcpus
        self.memoryMiB = spec.memory.mebibytes
        self.diskMiB = spec.disk?.mebibytes
        self.appPort = spec.appPort
        self.egress = spec.egress.rawValue
        self.vmm = vmm
        self.isolation = isolation
    }
}

/// How long each phase of a start took, in milliseconds.
package struct StartPhases: Sendable, Codable, Equatable {
    package var image: Double = 0
    package var slot: Double = 0
    package var vmm: Double = 0
    package var kernel: Double = 0
    package var app: Double = 0

    package init() {}

    package var total: Double { image + slot + vmm + kernel + app }

    /// The phases in the order in which they happen, with the words that users read.
    package var steps: [(name: String, milliseconds: Double)] {
        [("image", image), ("slot", slot), ("vmm", vmm), ("kernel", kernel), ("app ready", app)]
    }
}
