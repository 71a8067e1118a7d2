import Glibc
package import LinuxHost
import Synchronization
import SystemPackage

/// What a refused connection means to the caller.
package enum Refusal: Sendable {
    /// The server should be there: fail at once.
    case fails
    /// The guest is still starting: try again until the deadline.
    case waits
}

extension Slot {
    /// A connected, non-blocking TCP socket to `port` of the guest, without Nagle's delay. Blocks until `deadline` at
    /// the latest: call it off the cooperative threads.
    package func connect(
        port: UInt16, deadline: ContinuousClock.Instant, refusal: Refusal = .fails
    ) throws(HostNetworkError) -> OwnedDescriptor {
        try connect(to: SlotAddresses.guest, port: port, deadline: deadline, refusal: refusal)
    }

    func connect(
        to address: IPv4Address, port: UInt16, deadline: ContinuousClock.Instant, refusal: Refusal
    ) throws(HostNetworkError) -> OwnedDescriptor {
        let connecting = try Connecting(
            self, to: address, port: port, refusal: refusal, patience: .milliseconds(10), saying: nil)
        return try connecting.finish(by: deadline)
    }

    /// Begins a connection to `port` of the guest, to be finished after what is more urgent. Does not block. Where no
    /// packet can be lost, a longer patience spares a busy guest second attempts.
    ///
    /// `saying` makes what is said first. It goes with the first packet (RFC 7413) to a server that takes it from there; when
    /// that packet is lost, or its answer, it is made anew and said on the connection that came about instead.
    package func beginConnecting(
        port: UInt16, patience: Duration = .milliseconds(10), saying: (@Sendable () -> [UInt8])? = nil
    ) throws(HostNetworkError) -> Connecting {
        try Connecting(self, to: SlotAddresses.guest, port: port, refusal: .fails, patience: patience, saying: saying)
    }
}

/// A connection to a guest that is under way, to be finished once, by any thread.
package final class Connecting: Sendable {
    private let slot: Slot
    private let address: IPv4Address
    private let port: UInt16
    private let refusal: Refusal
    private let saying: (@Sendable () -> [UInt8])?
    private let start: ContinuousClock.Instant
    private let progress: Mutex<Progress>

    private struct Progress: ~Copyable {
        var schedule: ConnectSchedule
        var attempts = ConnectAttempts()
    }

    fileprivate init(
        _ slot: Slot, to address: IPv4Address, port: UInt16, refusal: Refusal, patience: Duration,
        saying: (@Sendable () -> [UInt8])?
    ) throws(HostNetworkError) {
        (self.slot, self.address, self.port, self.refusal, self.saying) = (slot, address, port, refusal, saying)
        start = .now
        progress = Mutex(Progress(schedule: ConnectSchedule(start: start, patience: patience)))
        try progress.withLock { progress throws(HostNetworkError) in try attempt(&progress, at: start) }
    }

    /// Blocks until there is a connection, at the latest until `deadline`.
    package func finish(by deadline: ContinuousClock.Instant) throws(HostNetworkError) -> OwnedDescriptor {
        OwnedDescriptor(
            try progress.withLock { progress throws(HostNetworkError) in try finish(&progress, by: deadline) })
    }

    private func finish(
        _ progress: inout Progress, by deadline: ContinuousClock.Instant
    ) throws(HostNetworkError) -> Int32 {
        var wasRefused = false
        while true {
            switch try progress.attempts.wait(until: min(deadline, progress.schedule.next)) {
            case .connected(let raw): return raw
            case .nothing: break
            case .refused:
                wasRefused = true
                if refusal == .fails { throw .refused(port: port) }
                progress.schedule.refused(at: .now)
            }
            let now = ContinuousClock.now
            if now >= deadline {
                throw wasRefused ? .refused(port: port) : .unanswered(port: port, after: deadline - start)
            }
            try attempt(&progress, at: now)
        }
    }

    private func attempt(_ progress: inout Progress, at now: ContinuousClock.Instant) throws(HostNetworkError) {
        guard progress.schedule.attempt(at: now) else { return }
        try progress.attempts.add(try slot.socket(), to: address, port: port, saying: saying)
    }
}
