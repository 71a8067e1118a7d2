import MachinePool
import NIOCore
import NIOPosix

/// The gateway's certificates: read before it listens, and looked at from time to time.
extension Gateway {
    /// Nil when HTTPS is not served.
    func loadCertificates() async throws(GatewayError) -> CertificateStore? {
        guard let tls = configuration.tls else { return nil }
        do {
            return try await NIOThreadPool.singleton.runIfActive { [logger] in
                try CertificateStore(tls.pairs, logger: logger)
            }
        } catch {
            guard let error = error as? CertificateError else {
                throw .addressUnavailable(host: configuration.host, reason: "\(error)")
            }
            throw .certificate(error)
        }
    }

    func watch(_ certificates: CertificateStore) {
        guard let tls = configuration.tls else { return }
        let interval = TimeAmount.nanoseconds(max(10_000_000, tls.reloadInterval.nanoseconds))
        keep(
            group.next().scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
                // Reading waits for the disk, which a loop must not.
                NIOThreadPool.singleton.submit { state in
                    if case .active = state { certificates.refresh() }
                }
            })
    }
}
