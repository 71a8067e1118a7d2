import Logging
import MachinePool
import Telemetry

/// Writes into the log what happens in the pool that somebody should look at.
enum ServeNotices {
    /// Ends when cancelled.
    static func log(_ pool: Pool, to logger: Logger) async {
        for await notice in pool.events(of: [.violation, .circuitOpen, .circuitClosed]) {
            let detail = notice.detail ?? "no reason given"
            switch notice.kind {
            case .violation:
                logger.error(
                    "a rule of the pool is broken, which is a mistake in fcctl: please report it",
                    metadata: [LogKeys.error: "\(detail)"])
            case .circuitOpen:
                logger.warning(
                    "instances do not stay up: requests are refused until one does",
                    metadata: [LogKeys.error: "\(detail)"])
            case .circuitClosed: logger.warning("an instance stays up again: requests are served")
            case .machine, .rejected, .drained: break
            }
        }
    }
}
