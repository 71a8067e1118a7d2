import Glibc
package import MachinePool
import NIOConcurrencyHelpers
import NIOCore
package import NIOPosix

/// Processes on this machine that stand in for machines: `fcctl serve --upstream HOST:PORT`.
///
/// Slot N is address N, round again when there are more slots than addresses. A start succeeds once the address accepts a
/// connection, and fails when it has refused for a second; pause, resume and stop only change what the pool believes.
package final class StaticUpstreams: MachineDriver, UpstreamConnector {
    private let addresses: [SocketAddress]
    private let pool = NIOLockedValueBox<Pool?>(nil)
    private let threads: NIOThreadPool

    /// Throws `UpstreamError` for an address that is not `HOST:PORT` or cannot be resolved.
    package init(_ addresses: [String], threads: NIOThreadPool = .singleton) throws(UpstreamError) {
        self.threads = threads
        var resolved: [SocketAddress] = []
        for text in addresses { resolved.append(try Self.resolve(text)) }
        if resolved.isEmpty { throw .unreachable("no address was given") }
        self.addresses = resolved
    }

    /// Where outcomes are reported. Call before the pool is used.
    package func attach(_ pool: Pool) {
        self.pool.withLockedValue { $0 = pool }
    }

    package func start(_ machine: MachineRef, _ method: StartMethod) {
        look(for: machine, until: .now + Self.patience)
    }

    /// Whoever keeps the process up needs a moment to start it anew.
    private static let patience = Duration.seconds(1)

    private func look(for machine: MachineRef, until deadline: ContinuousClock.Instant) {
        let address = address(machine)
        threads.submit { _ in
            do throws(UpstreamError) {
                Glibc.close(try Self.open(address, timeout: .seconds(10)))
                self.report(.ready(machine))
                let description = self.describe(machine)
                self.pool.withLockedValue { $0 }?.describe(
                    machine, as: MachineDescription(id: description.id, address: description.address))
            } catch {
                guard error == .refused, .now < deadline else {
                    return self.report(.failed(machine, reason: error.description))
                }
                MultiThreadedEventLoopGroup.singleton.any().scheduleTask(in: .milliseconds(10)) {
                    self.look(for: machine, until: deadline)
                }
            }
        }
    }

    package func pause(_ machine: MachineRef) { report(.paused(machine)) }

    package func resume(_ machine: MachineRef) { report(.resumed(machine)) }

    package func stop(_ machine: MachineRef, reason: StopReason) { report(.gone(machine)) }

    package func connect(to machine: MachineRef, timeout: Duration) async throws(UpstreamError) -> Int32 {
        let address = address(machine)
        do {
            return try await threads.runIfActive { try Self.open(address, timeout: timeout) }
        } catch {
            throw error as? UpstreamError ?? .unreachable("\(error)")
        }
    }

    package func describe(_ machine: MachineRef) -> UpstreamDescription {
        UpstreamDescription(
            id: "upstream-\(machine.slot)-\(machine.generation)", address: address(machine).ipAddress)
    }

    private func address(_ machine: MachineRef) -> SocketAddress { addresses[machine.slot % addresses.count] }

    /// The pool calls the driver while it performs its actions, so that reports go through a thread of their own.
    private func report(_ event: MachineEvent) {
        guard let pool = pool.withLockedValue({ $0 }) else { return }
        threads.submit { _ in pool.report(event) }
    }

    private static func resolve(_ text: String) throws(UpstreamError) -> SocketAddress {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65_535).contains(port)
        else { throw .unreachable("\(text) is not HOST:PORT") }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        do {
            return try SocketAddress.makeAddressResolvingHost(host, port: port)
        } catch {
            throw .unreachable("\(host) cannot be resolved")
        }
    }

    /// A connected, non-blocking socket. Waits on the calling thread.
    private static func open(_ address: SocketAddress, timeout: Duration) throws(UpstreamError) -> Int32 {
        let family = address.protocol == .inet6 ? AF_INET6 : AF_INET
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { throw .unreachable(reason(errno)) }
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        let result = address.withSockAddr { Glibc.connect(descriptor, $0, socklen_t($1)) }
        if result == 0 { return descriptor }
        do throws(UpstreamError) {
            guard errno == EINPROGRESS else { throw .unreachable(reason(errno)) }
            var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            let milliseconds = Int32(clamping: max(1, timeout.nanoseconds / 1_000_000))
            guard poll(&poller, 1, milliseconds) > 0 else { throw .timedOut }
            var failure: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &size)
            if failure == ECONNREFUSED { throw .refused }
            guard failure == 0 else { throw .unreachable(reason(failure)) }
            return descriptor
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    private static func reason(_ code: Int32) -> String {
        strerror(code).map { String(cString: $0) } ?? "error \(code)"
    }
}
