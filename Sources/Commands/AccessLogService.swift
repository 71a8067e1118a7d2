@preconcurrency import Dispatch
import Gateway
import Glibc
import NIOCore
import NIOPosix

/// The access log of a running gateway: opened before anything is served, opened anew by SIGHUP, closed last.
struct AccessLogService {
    /// Nil when nothing is logged.
    let writer: AccessLogWriter?
    private let hangUp: (any DispatchSourceSignal)?

    init(_ options: GatewayOptions, quiet: Bool) throws {
        guard let configuration = options.accessLogConfiguration else {
            (writer, hangUp) = (nil, nil)
            return
        }
        let writer = try AccessLogWriter(configuration, logger: ServeLog.logger(quiet: quiet))
        self.writer = writer
        guard options.accessLogFile != nil else {
            hangUp = nil
            return
        }
        signal(SIGHUP, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGHUP)
        source.setEventHandler { writer.reopen() }
        source.resume()
        hangUp = source
    }

    func close() async {
        hangUp?.cancel()
        await writer?.close(on: HostSetup.group.next())
    }
}
