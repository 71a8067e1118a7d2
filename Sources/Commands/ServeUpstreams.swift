import Gateway
import Glibc
import MachinePool
import Machines

extension ServeSession {
    /// `serve --upstream`: processes on this machine stand in for machines; all the rest is as with machines.
    func run(upstreams addresses: [String]) async throws {
        let number = service.port == 0 ? Int(getpid()) : Int(service.port)
        let name = try gatewayName(or: MachineName(afterImage: "upstream-\(number)"))
        let upstreams = try connector(addresses)
        let lock = try await hold(name)
        let events = try eventLog()
        let logger = ServeLog.logger(quiet: global.quiet)
        let pool = Pool(configuration: service.pool, driver: upstreams, recorder: events?.recorder)
        upstreams.attach(pool)
        let log = try AccessLogService(proxy, quiet: global.quiet)
        let gateway = Gateway(
            configuration: gatewayConfiguration, pool: pool, connector: upstreams, group: HostSetup.group,
            accessLog: log.writer, logger: ServeLog.logger(quiet: global.quiet))
        let address = try await gateway.start()
        let display = ServeDisplay(
            block: StatusBlock(url: url(address), image: image, max: service.limits.max), quiet: global.quiet,
            sharesTerminal: proxy.logsToTerminal)
        display.begin()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await pool.run() }
            group.addTask { await display.follow(pool) }
            group.addTask { await ServeNotices.log(pool, to: logger) }
            group.addTask { await events?.run(logger) }
            await untilSignal(gateway, pool, display)
            group.cancelAll()
        }
        await log.close()
        withExtendedLifetime(lock) {}
    }

    private func connector(_ addresses: [String]) throws -> StaticUpstreams {
        do {
            return try StaticUpstreams(addresses)
        } catch {
            throw CommandError(ExitCodes.usage, "--upstream \(addresses.joined(separator: " ")): \(error.reason)")
        }
    }
}

extension UpstreamError {
    fileprivate var reason: String {
        if case .unreachable(let reason) = self { return reason }
        return description
    }
}
