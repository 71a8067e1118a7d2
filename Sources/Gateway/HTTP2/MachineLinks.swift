import MachinePool
import NIOCore
import NIOPosix

/// The HTTP/2 connections of one event loop to machines, one for each.
final class MachineLinks {
    private var links: [MachineRef: MachineLink] = [:]
    /// Being opened: who comes meanwhile waits for the same one.
    private var opening: [MachineRef: MachineLink] = [:]
    private let loop: any EventLoop

    init(loop: any EventLoop) {
        self.loop = loop
    }

    /// A stream to the machine; `dial` makes a connected socket if there is no connection yet. Fails with `UpstreamError`,
    /// or with `NotHTTP2`.
    func open(
        _ handler: UpstreamHandler, to machine: MachineRef, worker: Worker,
        dial: @escaping @Sendable () -> EventLoopFuture<Int32>
    ) -> EventLoopFuture<NIOLoopBound<UpstreamHandler>> {
        if let link = links[machine] { return link.open(handler) }
        let bound = NIOLoopBound((self, handler, worker), eventLoop: loop)
        return (opening[machine]?.opened ?? connect(machine, worker, dial)).flatMap { opened in
            let (links, handler, worker) = bound.value
            // More have waited for it than it may carry.
            if opened.value.isWornOut { return links.open(handler, to: machine, worker: worker, dial: dial) }
            return opened.value.open(handler)
        }
    }

    private func connect(
        _ machine: MachineRef, _ worker: Worker, _ dial: () -> EventLoopFuture<Int32>
    ) -> EventLoopFuture<NIOLoopBound<MachineLink>> {
        let link = MachineLink(machine: machine, store: self, worker: worker)
        let bound = NIOLoopBound((self, link), eventLoop: loop)
        let loop = loop
        let opened = dial().flatMap { descriptor in
            ClientBootstrap(group: loop)
                .channelOption(.allowRemoteHalfClosure, value: true)
                .channelOption(.writeBufferWaterMark, value: .init(low: 32 * 1024, high: 128 * 1024))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try bound.value.1.configure(channel) }
                }
                .withConnectedSocket(descriptor)
        }
        .flatMap { _ in bound.value.1.ready.futureResult }
        .map { NIOLoopBound(bound.value.1, eventLoop: loop) }
        link.opened = opened
        opening[machine] = link
        opened.whenComplete { result in
            let (links, link) = bound.value
            link.opened = nil
            if links.opening[link.machine] === link { links.opening[link.machine] = nil }
            switch result {
            case .success: if !link.isRetired { links.links[link.machine] = link }
            case .failure(let error):
                link.ready.fail(error)
                link.close()
            }
        }
        return opened
    }

    func remove(_ link: MachineLink) {
        if links[link.machine] === link { links[link.machine] = nil }
    }

    func close(_ machine: MachineRef) {
        opening[machine]?.close()
        links[machine]?.close()
    }

    func closeAll() {
        for link in Array(opening.values) + Array(links.values) { link.close() }
    }

    func sweep(now: UInt64) {
        for link in Array(links.values) where link.streams == 0 && link.idleDeadline <= now { link.close() }
    }
}
