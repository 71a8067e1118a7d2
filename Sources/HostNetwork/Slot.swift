import Glibc
package import LinuxHost
import Synchronization
package import SystemPackage

/// A place for one microVM on the network: a network namespace with a TAP, held by descriptor only. When this value,
/// every socket made in it and the VMM are gone the kernel removes the namespace with all that is in it.
package final class Slot: Sendable {
    package let number: SlotNumber
    package let namespace: NetworkNamespace
    private let reachableAt = Mutex<IPv4Address?>(nil)
    private let spareSockets = Mutex<[Int32]>([])

    /// Where the host itself reaches the guest's TCP ports; nil for a slot that only its sockets lead into.
    package var address: IPv4Address? { reachableAt.withLock { $0 } }

    private init(_ number: SlotNumber, _ namespace: consuming NetworkNamespace) {
        self.number = number
        self.namespace = namespace
    }

    /// Makes a slot. Takes some milliseconds: callers keep prepared ones in a `SlotPool`. Without an uplink the guest
    /// can answer the gateway and reach nothing else.
    package static func make(
        _ number: SlotNumber, uplink: Uplink? = nil, reachable: Bool = false
    ) throws(HostNetworkError) -> Slot {
        let slot = Slot(number, try translated { () throws(HostError) in try NetworkNamespace.make() })
        try translated { () throws(HostError) in
            try slot.namespace.run { () throws(HostNetworkError) in try setUp(closed: uplink == nil) }
        }.get()
        let address = try uplink?.attach(slot, reachable: reachable)
        if reachable { slot.reachableAt.withLock { $0 = address } }
        return slot
    }

    /// The slot that a VMM started by an earlier command runs in.
    package static func reopen(_ number: SlotNumber, pid: Int32) throws(HostNetworkError) -> Slot {
        let namespace = try open(pid)
        let own = try translated { () throws(HostError) in try NetworkNamespace.current() }
        guard namespace.inode != own.inode else {
            throw .notASlot(pid: pid, reason: "it runs in the network of this process")
        }
        let mac = try translated { () throws(HostError) in
            try namespace.run { () throws(HostError) in try NetworkLink.mac(of: SlotAddresses.tap) }
        }
        guard case .success(SlotAddresses.hostMAC) = mac else {
            throw .notASlot(pid: pid, reason: "its network has no TAP of ours")
        }
        return Slot(number, namespace)
    }

    /// A path to the namespace for a jailer or VMM that this process starts; valid while the slot is held.
    package var path: FilePath { namespace.path }

    deinit {
        for raw in spareSockets.withLock({ $0 }) { _ = OwnedDescriptor(raw) }
    }

    /// A non-blocking IPv4 TCP socket inside the slot, usable from any thread.
    package func socket() throws(HostNetworkError) -> OwnedDescriptor {
        if let raw = spareSockets.withLock({ $0.popLast() }) { return OwnedDescriptor(raw) }
        return try translated { () throws(HostError) in
            try namespace.socket(AF_INET, Int32(SOCK_STREAM.rawValue))
        }
    }

    /// Makes sockets until there are `count` for the next connections: a visit to the namespace takes a thread of its
    /// own, as long as a guest's answer. What is not made now is made when it is needed.
    package func prepareSockets(_ count: Int) {
        while spareSockets.withLock({ $0.count < count }) {
            guard
                let raw = try? namespace.socket(AF_INET, Int32(SOCK_STREAM.rawValue)).release()
            else { return }
            spareSockets.withLock { $0.append(raw) }
        }
    }

    /// Attaches to the TAP, for a VMM that takes it by descriptor. One VMM at a time: close it once handed over.
    package func openTap() throws(HostNetworkError) -> OwnedDescriptor {
        let result = try translated { () throws(HostError) in
            try namespace.run { () throws(HostError) in
                try TapDevice.open(SlotAddresses.tap).release()
            }
        }
        switch result {
        case .success(let raw): return OwnedDescriptor(raw)
        case .failure(let error): throw error.errno == .resourceBusy ? .tapBusy(number) : Self.tapError(error)
        }
    }

    /// Forgets the last guest's connections; false when that fails or a VMM is still attached, so that the slot must
    /// be dropped instead of used again.
    func isReusable() -> Bool {
        // Attaching is the proof that nobody else is; whatever went wrong, a new slot is the remedy.
        guard (try? openTap()) != nil else { return false }
        let forgotten = try? namespace.run { () throws(HostError) in try NetworkLink.forgetConnections() }
        guard case .success = forgotten else { return false }
        return true
    }

    private static func open(_ pid: Int32) throws(HostNetworkError) -> NetworkNamespace {
        do throws(HostError) {
            return try NetworkNamespace(of: pid)
        } catch  where error.errno == .noSuchFileOrDirectory || error.errno == .noSuchProcess {
            throw .notASlot(pid: pid, reason: "there is no such process")
        } catch {
            throw HostNetworkError(error)
        }
    }

    /// Runs on a thread inside the new namespace.
    private static func setUp(closed: Bool) throws(HostNetworkError) {
        do throws(HostError) {
            try NetworkLink.disableIPv6("all")
            try NetworkLink.disableIPv6("default")
            try NetworkLink.setUp("lo")
            let tap = try TapDevice.open(SlotAddresses.tap)
            try TapDevice.persist(tap)
            try NetworkLink.setMAC(SlotAddresses.tap, SlotAddresses.hostMAC)
        } catch {
            throw tapError(error)
        }
        if closed {
            // Before the interface goes up. An uplink brings its own ruleset, before anybody else gets the slot.
            do { try PacketFilter.apply(SlotFirewall().ruleset) } catch { throw HostNetworkError(error) }
        }
        try translated { () throws(HostError) in
            try NetworkLink.setAddress(SlotAddresses.tap, SlotAddresses.host, prefix: SlotAddresses.prefix)
            try NetworkLink.setUp(SlotAddresses.tap)
            try NetworkLink.setPermanentNeighbour(SlotAddresses.guest, SlotAddresses.guestMAC, on: SlotAddresses.tap)
        }
    }

    private static func tapError(_ error: HostError) -> HostNetworkError {
        let missing: [Errno] = [.noSuchFileOrDirectory, Errno(rawValue: ENODEV), .noSuchAddressOrDevice]
        return error.subject == TapDevice.path && missing.contains(error.errno) ? .noTunDevice : HostNetworkError(error)
    }
}
