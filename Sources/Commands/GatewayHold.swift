import Machines

/// The gateway's name for the whole run of a session; nil inside when somebody else has it.
final class GatewayHold: Sendable {
    private let lock: GatewayLock?
    let isHeld: Bool

    init(_ lock: consuming GatewayLock?) {
        isHeld = lock != nil
        self.lock = lock
    }
}
