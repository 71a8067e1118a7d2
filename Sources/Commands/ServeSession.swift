import FoundationEssentials
import Gateway
import HostNetwork
import Images
import LinuxHost
import Logging
import MachinePool
import Machines
import NIOCore
import NIOPosix
import SystemPackage
import Telemetry
import VMM

/// One run of `serve`: name taken, port bound, machines booted; then until a signal; then drained.
struct ServeSession {
    let global: GlobalOptions
    let machine: MachineOptions
    let service: ServiceOptions
    let proxy: GatewayOptions
    let image: String

    func run() async throws {
        let name = try gatewayName(or: MachineName(afterImage: image))
        let lock = try await hold(name)
        let logger = ServeLog.logger(quiet: global.quiet)
        let driver = PoolDriver(logger: logger)
        let events = try eventLog()
        let pool = Pool(configuration: service.pool, driver: driver, recorder: events?.recorder)
        let log = try AccessLogService(proxy, quiet: global.quiet)
        let gateway = Gateway(
            configuration: gatewayConfiguration, pool: pool, connector: MachineConnector(driver: driver),
            group: HostSetup.group, accessLog: log.writer, logger: logger)
        // The port first: when it is busy, nothing has been made yet.
        let address = try await gateway.start(accepting: false)
        let url = self.url(address)
        do {
            try await serve(name, driver, pool, gateway, events, url: url)
        } catch {
            await gateway.drain(deadline: .zero)
            await log.close()
            await HostSweep.networkOfGateway(global.state)
            throw error
        }
        await log.close()
        await HostSweep.networkOfGateway(global.state)
        withExtendedLifetime(lock) {}
    }

    private func serve(
        _ name: MachineName, _ driver: PoolDriver, _ pool: Pool, _ gateway: Gateway, _ events: EventLogFile?,
        url: String
    ) async throws {
        let host = try await HostSetup.open(global, machine)
        global.say(host.banner)
        let stored = try await host.resolve(image)
        guard stored.configuration.argv != nil else { throw MachineError.noCommand(image: image) }
        let slots = SlotPool(target: min(service.limits.max, 4), uplink: host.uplink)
        let boot = MachineBoot(
            host: host, service: service, image: stored, name: name,
            spec: MachineSpec(
                imageName: image, imageDigest: stored.digest, vcpus: service.cpus, memory: service.limits.mem,
                disk: service.diskSize, appPort: machine.appPort ?? stored.configuration.singlePort ?? 3000,
                environment: machine.environment(ProcessInfo.processInfo.environment), egress: machine.egress),
            slots: slots, timeout: machine.startTimeout.duration)
        let clones = service.noSnapshots ? nil : boot.clones(most: preparedClones(host), driver.logger)
        let actions = PoolDriver.Actions(
            boot: { () throws(MachineError) in try await boot.run() },
            restore: clones?.start(for: pool), restoreAtOnce: clones?.startAtOnce(for: pool),
            closeConnections: { await gateway.closeUpstreams(of: $0) })
        let display = ServeDisplay(
            block: StatusBlock(url: url, image: image, max: service.limits.max), quiet: global.quiet,
            sharesTerminal: proxy.logsToTerminal)
        display.begin()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await driver.run(pool: pool, actions: actions) }
            await clones?.adopt(for: pool)
            // Not before: for a request that comes now a restore is the sooner start, and the pool would boot a machine.
            await gateway.accept()
            group.addTask { await pool.run() }
            if let clones { group.addTask { await clones.run(for: pool) } }
            group.addTask { await boot.refillSlots() }
            group.addTask { await display.follow(pool) }
            group.addTask { await ServeNotices.log(pool, to: driver.logger) }
            group.addTask { await events?.run(driver.logger) }
            await untilSignal(gateway, pool, display)
            group.cancelAll()
        }
    }

    /// Takes the gateway's name for as long as the result lives.
    func hold(_ name: MachineName) async throws -> GatewayHold {
        let state = global.state
        let lock = try await BlockingPool.run { () throws in
            try state.prepare()
            return GatewayHold(try GatewayLock.take(name, in: state))
        }
        guard lock.isHeld else {
            let holder = GatewayLock.holder(of: name, in: state).map { " (process \($0))" } ?? ""
            throw CommandError(
                ExitCodes.temporary,
                "a gateway named \(name) is running already\(holder); stop it or choose another --name")
        }
        return lock
    }

    /// A waiting Firecracker holds two megabytes, a waiting QEMU twenty, and one that has rehearsed fifty.
    private func preparedClones(_ host: HostSetup) -> Int {
        let most = host.hypervisor.monitor.kind == .firecracker ? 32 : host.starter.rehearses ? 2 : 4
        return min(service.limits.max, most)
    }

    /// The first signal drains, a second one ends at once what is still in flight.
    func untilSignal(_ gateway: Gateway, _ pool: Pool, _ display: ServeDisplay) async {
        // One stream for both: a second signal that comes right after the first is not lost between two.
        let signals = Interruption.signals()
        for await _ in signals { break }
        display.say("stopping: requests in flight have \(service.drainTimeout) to finish")
        let deadline = service.drainTimeout.duration
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                await gateway.drain(deadline: deadline)
                await pool.drain(deadline: deadline)
                return true
            }
            group.addTask {
                for await _ in signals { return false }
                return true
            }
            let finished = await group.next() ?? true
            if !finished {
                await gateway.drain(deadline: .zero)
                await pool.drain(deadline: .zero)
            }
            group.cancelAll()
        }
    }

    /// The file of `--event-log`, if one is wanted.
    func eventLog() throws -> EventLogFile? {
        try service.eventLog.map { try EventLogFile(FilePath($0), service.pool) }
    }

    func gatewayName(or standard: MachineName) throws -> MachineName {
        guard let text = service.name else { return standard }
        guard let name = MachineName(text) else {
            throw CommandError(ExitCodes.usage, "--name takes 1 to 63 of a-z, 0-9 and -, not \(text.debugDescription)")
        }
        return name
    }

    func url(_ address: SocketAddress) -> String {
        "\(service.tls.settings == nil ? "http" : "https")://\(service.host == "127.0.0.1" ? "localhost" : service.host):\(address.port ?? Int(service.port))"
    }

    var gatewayConfiguration: GatewayConfiguration {
        var configuration = proxy.configuration
        configuration.host = service.host
        configuration.port = Int(service.port)
        configuration.tls = service.tls.settings
        return configuration
    }
}
