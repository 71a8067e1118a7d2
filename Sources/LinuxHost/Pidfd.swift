import CLinuxHost
import Glibc
import SystemPackage

/// One process, held by the kernel's own reference: it never means another process, even when the pid is reused.
package struct Pidfd: ~Copyable, Sendable {
    package let pid: Int32
    private let descriptor: OwnedDescriptor

    init(taking descriptor: consuming OwnedDescriptor, pid: Int32) {
        self.descriptor = descriptor
        self.pid = pid
    }

    /// Takes hold of a process that is not necessarily our child.
    package init(opening pid: Int32) throws(HostError) {
        let result = lh_pidfd_open(pid)
        try HostError.check(result, "open the process", "\(pid)")
        self.init(taking: OwnedDescriptor(result), pid: pid)
    }

    /// The same, only if the process has run since `startTime` (see `ProcessIdentity`); nil when it is gone.
    package static func find(_ pid: Int32, startTime: UInt64) throws(HostError) -> Pidfd? {
        let found: Pidfd
        do {
            found = try Pidfd(opening: pid)
        } catch {
            if error.errno == .noSuchProcess { return nil }
            throw error
        }
        // Read after the open: from here on the pid cannot be given to another process unseen.
        guard ProcessIdentity.startTime(of: pid) == startTime else { return nil }
        return found
    }

    package var rawValue: Int32 { descriptor.rawValue }

    /// Sends a signal; false when the process has ended and been reaped.
    @discardableResult
    package func signal(_ number: Int32) throws(HostError) -> Bool {
        let result = lh_pidfd_signal(descriptor.rawValue, number)
        if result == -ESRCH { return false }
        try HostError.check(result, "signal the process", "\(pid)")
        return true
    }

    /// Blocks until the process has ended; false after `milliseconds`.
    package func wait(milliseconds: Int32 = -1) throws(HostError) -> Bool {
        try HostError.check(lh_pidfd_poll(descriptor.rawValue, milliseconds), "wait for the process", "\(pid)") == 1
    }

    /// Takes the status of an ended child, so that it is no zombie; nil when it runs or is not our child.
    package func reap() -> TerminationStatus? {
        var code: Int32 = 0
        var signal: Int32 = 0
        guard lh_pidfd_reap(descriptor.rawValue, &code, &signal) == 1 else { return nil }
        return signal == 0 ? .exited(code) : .signalled(signal)
    }
}

/// How a process ended.
package enum TerminationStatus: Sendable, Hashable, CustomStringConvertible {
    case exited(Int32)
    case signalled(Int32)

    package var description: String {
        switch self {
        case .exited(let code): "exit status \(code)"
        case .signalled(let signal): "signal \(signal)"
        }
    }
}
