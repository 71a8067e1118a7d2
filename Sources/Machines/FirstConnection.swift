import HostNetwork
import LinuxHost
import NIOConcurrencyHelpers

/// A connection to the app that is made while the machine comes up, so that the first request need not wait for it.
final class FirstConnection: Sendable {
    private let socket = NIOLockedValueBox<Int32?>(nil)

    deinit {
        drop()
    }

    func keep(_ connection: consuming OwnedDescriptor) {
        let raw = connection.release()
        let old = socket.withLockedValue { socket in
            defer { socket = raw }
            return socket
        }
        if let old { _ = OwnedDescriptor(old) }
    }

    /// Once; the caller closes it.
    func take() -> Int32? {
        socket.withLockedValue { socket in
            defer { socket = nil }
            return socket
        }
    }

    /// A guest that is to stand still, or to end, must have no connection of ours.
    func drop() {
        if let unused = take() { _ = OwnedDescriptor(unused) }
    }
}
