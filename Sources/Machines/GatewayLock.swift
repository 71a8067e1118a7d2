package import LinuxHost
import SystemPackage

/// A gateway's name on one state directory, held for the gateway's life; the kernel frees it however that ends.
package struct GatewayLock: ~Copyable, Sendable {
    private let lock: FileLock

    /// nil when a running gateway has the name already; `holder` says which process that is. Blocking, but briefly.
    package static func take(_ name: MachineName, in state: StateDirectory) throws(HostError) -> GatewayLock? {
        guard let lock = try FileLock.tryLock(path(name, state)) else { return nil }
        lock.note("\(ProcessIdentity.current.pid)")
        return GatewayLock(lock: lock)
    }

    /// The pid that a holder wrote; only for messages.
    package static func holder(of name: MachineName, in state: StateDirectory) -> String? {
        // A holder that has just gone leaves nothing to name.
        guard let bytes = try? Files.read(path(name, state)), !bytes.isEmpty else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func isHeld(_ name: MachineName, in state: StateDirectory) throws(HostError) -> Bool {
        guard Files.exists(path(name, state)) else { return false }
        let lock = try FileLock.tryLock(path(name, state))
        return lock == nil
    }

    private init(lock: consuming FileLock) {
        self.lock = lock
    }

    private static func path(_ name: MachineName, _ state: StateDirectory) -> FilePath {
        state.locks.appending("gateway-\(name).lock")
    }
}
