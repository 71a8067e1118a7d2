import MachinePool
import NIOCore
import NIOPosix

/// The connections of one event loop to machines: those kept alive for the next request, and those in use.
final class UpstreamStore {
    private struct Slot {
        var generation: UInt64 = 0
        /// Counts the times everything was closed: a connection begun before is of no use after.
        var epoch: UInt64 = 0
        var idle: [UpstreamHandler] = []
    }

    private let loop: any EventLoop
    private let connector: any UpstreamConnector
    private let headers: InstanceHeaders
    private let idleSpan: UInt64
    private let connectTimeout: Duration
    /// A connection on its way, which ends early when its machine does: a dead machine refuses nothing, it is silent.
    final class Attempt {
        fileprivate let machine: MachineRef
        /// Who waits for it. Nil once he has left: then it is the next one's who wants this machine.
        fileprivate var taker: ((Result<UpstreamHandler, any Error>) -> Void)?
        fileprivate(set) var isOver = false

        fileprivate init(_ machine: MachineRef, _ taker: @escaping (Result<UpstreamHandler, any Error>) -> Void) {
            self.machine = machine
            self.taker = taker
        }

        /// The taker is not called any more.
        func abandon() { taker = nil }
    }

    private var attempts: [Attempt] = []
    private var slots: [Slot] = []
    private var all: [UpstreamHandler] = []
    private let links: MachineLinks
    private var speaks: AppProtocol

    /// Machines can say of a request that they have not looked at it.
    var mayRefuse: Bool { speaks != .http1 }

    init(
        loop: any EventLoop, connector: any UpstreamConnector, headers: InstanceHeaders, idle: UInt64,
        connect: Duration, speaks: AppProtocol
    ) {
        links = MachineLinks(loop: loop)
        self.speaks = speaks
        self.loop = loop
        self.connector = connector
        self.headers = headers
        idleSpan = idle
        connectTimeout = connect
    }

    /// An app that was asked in HTTP/2 in vain has answered in HTTP/1.1; until then it may have been its machine that failed.
    func learnHTTP1() { if speaks == .auto { speaks = .http1 } }

    /// A kept connection to this very incarnation of the machine. What has one try only gets one that is certain to have been
    /// open a moment ago: the kernel may know better than the last event.
    func take(_ machine: MachineRef, isCertain: Bool) -> UpstreamHandler? {
        guard machine.slot < slots.count, slots[machine.slot].generation == machine.generation else { return nil }
        while let handler = slots[machine.slot].idle.popLast() {
            guard handler.isOpen else { continue }
            if !isCertain || handler.isQuiet { return handler }
            handler.close()
        }
        return nil
    }

    /// Keeps a connection whose exchange ended cleanly on both sides.
    func park(_ handler: UpstreamHandler, now: UInt64) {
        let machine = handler.machine
        // The client's end may have ended it as well, while the last of the response was written.
        guard handler.isOpen, slots[machine.slot].generation == machine.generation,
            slots[machine.slot].epoch == handler.epoch
        else { return handler.close() }
        handler.idleDeadline = idleSpan == 0 ? .max : now &+ idleSpan
        slots[machine.slot].idle.append(handler)
    }

    /// Opens a connection, or takes over one that somebody has left before it was there: clients that come and go must not
    /// leave a machine more connections to accept than it has requests. The taker may be called before this returns, and
    /// gets an `UpstreamError` if it fails.
    func connect(
        _ machine: MachineRef, worker: Worker, _ taker: @escaping (Result<UpstreamHandler, any Error>) -> Void
    ) -> Attempt {
        prepare(machine)
        if let orphan = attempts.first(where: { $0.taker == nil && $0.machine == machine }) {
            orphan.taker = taker
            return orphan
        }
        let attempt = Attempt(machine, taker)
        attempts.append(attempt)
        let bound = NIOLoopBound((self, worker, attempt), eventLoop: loop)
        open(machine, worker).whenComplete { result in
            let (store, worker, attempt) = bound.value
            store.finish(attempt, result.map(\.value), worker)
        }
        return attempt
    }

    private func open(_ machine: MachineRef, _ worker: Worker) -> EventLoopFuture<NIOLoopBound<UpstreamHandler>> {
        let epoch = slots[machine.slot].epoch
        let bound = NIOLoopBound((self, worker), eventLoop: loop)
        let (connector, timeout, loop) = (connector, connectTimeout, loop)
        let dial: @Sendable () -> EventLoopFuture<Int32> = {
            if let ready = connector.takeConnection(to: machine) { return loop.makeSucceededFuture(ready) }
            return loop.makeFutureWithTask { try await connector.connect(to: machine, timeout: timeout) }
        }
        let adopt: @Sendable (Int32) -> EventLoopFuture<NIOLoopBound<UpstreamHandler>> = { descriptor in
            let (store, worker) = bound.value
            return store.adopt(descriptor, machine, epoch, worker)
        }
        // Done at once with a connection that is there already.
        if speaks == .http1 { return dial().flatMap(adopt) }
        return openStream(machine, epoch, worker, dial).flatMapError { error in
            // Whoever does not answer HTTP/2 is asked in the other way, if it was not said what is spoken there.
            guard error is NotHTTP2 else { return loop.makeFailedFuture(error) }
            guard bound.value.0.speaks == .auto else {
                return loop.makeFailedFuture(UpstreamError.unreachable("it does not speak HTTP/2"))
            }
            return dial().flatMap(adopt).map { opened in
                opened.value.tellsProtocol = true
                return opened
            }
        }
    }

    private func openStream(
        _ machine: MachineRef, _ epoch: UInt64, _ worker: Worker,
        _ dial: @escaping @Sendable () -> EventLoopFuture<Int32>
    ) -> EventLoopFuture<NIOLoopBound<UpstreamHandler>> {
        links.open(makeHandler(machine, epoch, worker), to: machine, worker: worker, dial: dial)
    }

    private func makeHandler(_ machine: MachineRef, _ epoch: UInt64, _ worker: Worker) -> UpstreamHandler {
        let description = connector.describe(machine)
        return UpstreamHandler(
            worker: worker, machine: machine, epoch: epoch, lines: lines(description),
            name: Array(description.id.utf8))
    }

    private func finish(_ attempt: Attempt, _ result: Result<UpstreamHandler, any Error>, _ worker: Worker) {
        let wasOver = attempt.isOver
        attempts.removeAll { $0 === attempt }
        attempt.isOver = true
        if let taker = attempt.taker { return taker(result) }
        guard case .success(let handler) = result else { return }
        // A stream of HTTP/2 costs nothing to open anew.
        if wasOver || !handler.ownsSocket { handler.close() } else { park(handler, now: worker.coarseNow) }
    }

    private func adopt(
        _ descriptor: Int32, _ machine: MachineRef, _ epoch: UInt64, _ worker: Worker
    ) -> EventLoopFuture<NIOLoopBound<UpstreamHandler>> {
        let bound = NIOLoopBound(makeHandler(machine, epoch, worker), eventLoop: loop)
        bound.value.ownsSocket = true
        UnreadInput.limit(of: descriptor)
        return ClientBootstrap(group: loop)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.writeBufferWaterMark, value: .init(low: 32 * 1024, high: 128 * 1024))
            .channelOption(.recvAllocator, value: ReadSize.large.allocator)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(bound.value)
                }
            }
            .withConnectedSocket(descriptor)
            .flatMapThrowing { _ in
                guard bound.value.isOpen else { throw UpstreamError.unreachable("it closed the connection at once") }
                return bound
            }
    }

    private func lines(_ description: UpstreamDescription) -> [UInt8] {
        var text = ""
        if headers != .none { text += "X-Instance-Id: \(description.id)\r\n" }
        if headers == .all, let address = description.address { text += "X-Instance-Ip: \(address)\r\n" }
        return Array(text.utf8)
    }

    private func prepare(_ machine: MachineRef) {
        while slots.count <= machine.slot { slots.append(Slot()) }
        guard slots[machine.slot].generation != machine.generation else { return }
        let old = slots[machine.slot].idle
        slots[machine.slot].idle = []
        slots[machine.slot].generation = machine.generation
        for handler in old { handler.close() }
    }

    func add(_ handler: UpstreamHandler) {
        handler.index = all.count
        all.append(handler)
    }

    func remove(_ handler: UpstreamHandler) {
        guard handler.index >= 0 else { return }
        let last = all.removeLast()
        if last !== handler {
            all[handler.index] = last
            last.index = handler.index
        }
        handler.index = -1
        slots[handler.machine.slot].idle.removeAll { $0 === handler }
    }

    /// Closes every connection to the machine; an exchange on one of them is broken off.
    func close(_ machine: MachineRef) {
        guard machine.slot < slots.count else { return }
        if slots[machine.slot].generation == machine.generation { slots[machine.slot].epoch += 1 }
        for handler in Array(all) where handler.machine == machine { handler.close() }
        links.close(machine)
        let ended = attempts.filter { $0.machine == machine }
        attempts.removeAll { $0.machine == machine }
        for attempt in ended {
            attempt.isOver = true
            let taker = attempt.taker
            attempt.abandon()
            taker?(.failure(UpstreamError.notRunning))
        }
    }

    /// Whether everything to its machine was closed after this connection was made: the machine is gone, or about to be.
    func wereClosed(since handler: UpstreamHandler) -> Bool {
        let slot = slots[handler.machine.slot]
        return slot.generation != handler.machine.generation || slot.epoch != handler.epoch
    }

    func closeAll() {
        for handler in Array(all) { handler.close() }
        links.closeAll()
    }

    func sweep(now: UInt64) {
        for handler in Array(all) where handler.isIdle && handler.idleDeadline <= now { handler.close() }
        links.sweep(now: now)
    }
}
