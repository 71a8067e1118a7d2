import GuestBoot
import HostNetwork
import Images
import LinuxHost
import SystemPackage

/// What the guest is told: the image's configuration with the user's wishes over it.
enum GuestConfiguration {
    static func make(
        spec: MachineSpec, image: StoredImage, name: MachineName
    ) throws(MachineError) -> GuestBoot.RunConfiguration {
        let wanted = image.configuration
        guard let arguments = wanted.argv else { throw .noCommand(image: spec.imageName) }
        var run = GuestBoot.RunConfiguration(arguments: arguments.map { Array($0.utf8) })
        run.environment = merge(wanted.environment, home(wanted) + spec.environment).map { Array($0.utf8) }
        run.workingDirectory = Array(wanted.workingDirectory.utf8)
        run.userID = wanted.user.uid
        run.groupID = wanted.user.gid
        // As container engines do it: getgroups(2) names the primary group as well.
        run.supplementaryGroups =
            [wanted.user.gid] + wanted.user.supplementaryGroups.filter { $0 != wanted.user.gid }
        run.stopSignal = UInt8(clamping: wanted.stopSignal)
        run.hostname = Array(name.text.utf8)
        run.gatewayMAC = SlotAddresses.hostMAC.bytes
        // The slot itself passes queries on to the host's resolver.
        run.nameservers = spec.egress == .internet ? [guestAddress(SlotAddresses.host)] : []
        run.usesScratchDisk = spec.disk != nil
        run.appPort = spec.appPort ?? 0
        run.clockNanoseconds = WallClock.nanoseconds()
        run.entropy = (0..<64).map { _ in UInt8.random(in: .min ... .max) }
        return run
    }

    /// The image's own HOME wins, the user's entry in its /etc/passwd is the default.
    private static func home(_ image: Images.RunConfiguration) -> [String] {
        image.environment.contains { $0.hasPrefix("HOME=") } ? [] : ["HOME=\(image.user.home)"]
    }

    private static func guestAddress(_ address: LinuxHost.IPv4Address) -> GuestBoot.IPv4Address {
        GuestBoot.IPv4Address(
            UInt8(address.value >> 24), UInt8(truncatingIfNeeded: address.value >> 16),
            UInt8(truncatingIfNeeded: address.value >> 8), UInt8(truncatingIfNeeded: address.value))
    }

    /// The user's variables replace the image's of the same name and follow the others.
    static func merge(_ image: [String], _ user: [String]) -> [String] {
        var seen: Set<Substring> = []
        let own = user.reversed().filter { seen.insert($0.prefix { $0 != "=" }).inserted }.reversed()
        return image.filter { !seen.contains($0.prefix { $0 != "=" }) } + own
    }
}
