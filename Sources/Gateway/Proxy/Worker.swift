import HTTPWire
import MachinePool
import NIOConcurrencyHelpers
import NIOCore

/// What the connections of one event loop share. Touched on that loop only.
final class Worker {
    let loop: any EventLoop
    let configuration: GatewayConfiguration
    let pool: Pool
    let upstreams: UpstreamStore
    let admin: AdminRoutes?
    let timers: TimerSpans
    /// A whole line for responses that go out encrypted; empty: none.
    let strictTransport: [UInt8]
    let accessLog: AccessLog?
    /// Shared by all loops.
    let census: NIOLockedValueBox<ConnectionCensus>

    /// Where heads and small bodies are put together. Free again as soon as a write has reached the kernel.
    var out: ByteBuffer
    /// Where the text of a request's head is, if it came by HTTP/2.
    var text: ByteBuffer
    let scratch = HTTP2Scratch()
    let turns: Turns
    /// Handlers of streams that ended well, for those that come.
    private var spares: [ClientHandler] = []
    let empty = ByteBuffer()
    var fields = HeadFields()
    let additions = ResponseAdditions()
    var identifiers = RequestIDs()
    var budget: RetryBudget

    private(set) var clients: [ClientHandler] = []
    /// Connections that are no `ClientHandler`: in their handshake, or carrying streams.
    private(set) var links: [ObjectIdentifier: any WorkerLink] = [:]
    private(set) var isDraining = false
    private var whenDrained: [EventLoopPromise<Void>] = []
    /// The time of the last sweep: good enough to set a deadline by.
    private(set) var coarseNow: UInt64

    init(
        loop: any EventLoop, configuration: GatewayConfiguration, pool: Pool, connector: any UpstreamConnector,
        admin: AdminRoutes?, log: AccessLogWriter?, census: NIOLockedValueBox<ConnectionCensus>, loops: Int
    ) {
        self.loop = loop
        turns = Turns(loop: loop)
        self.configuration = configuration
        self.pool = pool
        self.admin = admin
        accessLog = log?.makeLog()
        self.census = census
        budget = RetryBudget(perSecond: 10 / Double(max(1, loops)), now: Self.now())
        timers = TimerSpans(configuration.timeouts)
        strictTransport =
            configuration.tls?.strictTransport.map {
                Array("Strict-Transport-Security: max-age=\($0.components.seconds)\r\n".utf8)
            } ?? []
        upstreams = UpstreamStore(
            loop: loop, connector: connector, headers: configuration.instanceHeaders,
            idle: timers.upstreamIdle, connect: configuration.timeouts.connect,
            speaks: configuration.appProtocol)
        out = ByteBufferAllocator().buffer(capacity: 4096)
        text = empty
        coarseNow = Self.now()
        additions.showsLatency = configuration.instanceHeaders == .all
        additions.date = DateLine.make()
    }

    /// How long idle connections outlive the beginning of a drain.
    static let lastCall: UInt64 = 250_000_000

    /// Nanoseconds on the monotonic clock.
    static func now() -> UInt64 { NIODeadline.now().uptimeNanoseconds }

    /// What waits in a channel keeps the storage it was written from; one that has grown is not left to it.
    func renewOut() { out = ByteBufferAllocator().buffer(capacity: 4096) }

    func add(_ client: ClientHandler) {
        client.index = clients.count
        clients.append(client)
    }

    func remove(_ client: ClientHandler) {
        guard client.index >= 0 else { return }
        let last = clients.removeLast()
        if last !== client {
            clients[client.index] = last
            last.index = client.index
        }
        client.index = -1
        if isDraining, isEmpty { announceDrained() }
    }

    /// The handler of a new stream.
    func handler(_ transport: ClientTransport, _ peer: ClientPeer) -> ClientHandler {
        guard let spare = spares.popLast() else {
            return ClientHandler(worker: self, transport: transport, client: peer)
        }
        spare.belong(to: peer, transport)
        return spare
    }

    /// A handler that has no stream any more.
    func keep(_ client: ClientHandler) {
        if spares.count < Self.mostSpares, !isDraining { spares.append(client) }
    }

    private static let mostSpares = 256

    func add(_ link: any WorkerLink) { links[ObjectIdentifier(link)] = link }

    func remove(_ link: any WorkerLink) {
        links[ObjectIdentifier(link)] = nil
        if isDraining, isEmpty { announceDrained() }
    }

    private var isEmpty: Bool { clients.isEmpty && links.isEmpty }

    /// Looks at every deadline. Called about once a second, less often than any time-out.
    func sweep() {
        coarseNow = Self.now()
        additions.date = DateLine.make()
        budget.advance(to: coarseNow)
        accessLog?.sweep(now: coarseNow)
        // A connection that expires leaves the array, and the last one takes its place.
        var index = clients.count - 1
        while index >= 0 {
            if index < clients.count {
                let client = clients[index]
                if client.deadline != 0, client.deadline <= coarseNow { client.expire() }
                if client.lastMoment != 0, client.lastMoment <= coarseNow { client.expireRequest() }
            }
            index -= 1
        }
        for link in Array(links.values) where link.deadline != 0 && link.deadline <= coarseNow { link.expire() }
        upstreams.sweep(now: coarseNow)
    }

    /// Lets what is in flight finish and everything else go. The promise is kept when no client is left.
    func drain(_ promise: EventLoopPromise<Void>) {
        isDraining = true
        spares = []
        whenDrained.append(promise)
        for link in Array(links.values) { link.drain() }
        for client in Array(clients) { client.drain() }
        if isEmpty { return announceDrained() }
        // A request may be on its way on a connection that looks idle: it is still answered, and told to close.
        let bound = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: .nanoseconds(Int64(Self.lastCall))) {
            let worker = bound.value
            for client in Array(worker.clients) { client.endIdle() }
        }
    }

    /// Ends the tunnels that are still open.
    func closeTunnels() {
        for client in Array(clients) where client.phase == .tunnel { client.abort() }
    }

    /// Ends the requests that are still under way.
    func closeExchanges() {
        for client in Array(clients) where client.phase != .tunnel {
            client.story.note(.noMachine(.draining))
            client.abort()
        }
        for link in Array(links.values) { link.abort() }
    }

    /// Ends what is still open.
    func closeAll() {
        for client in Array(clients) { client.abort() }
        for link in Array(links.values) { link.abort() }
        upstreams.closeAll()
        accessLog?.flush()
    }

    private func announceDrained() {
        let promises = whenDrained
        whenDrained = []
        for promise in promises { promise.succeed(()) }
    }
}

/// The time-outs in nanoseconds. Zero means for ever.
struct TimerSpans {
    let header, handshake, bodyIdle, firstByte, responseIdle, request: UInt64
    let keepAlive, upstreamIdle, tunnelIdle, expectation: UInt64
    /// How long a connection that was told to close may still talk.
    let linger: UInt64 = 2_000_000_000
    /// How often deadlines are looked at.
    let tick: UInt64

    init(_ timeouts: GatewayTimeouts) {
        header = Self.span(timeouts.header)
        handshake = Self.span(timeouts.handshake)
        bodyIdle = Self.span(timeouts.bodyIdle)
        firstByte = Self.span(timeouts.firstByte)
        responseIdle = Self.span(timeouts.responseIdle)
        request = Self.span(timeouts.request)
        keepAlive = Self.span(timeouts.keepAlive)
        upstreamIdle = Self.span(timeouts.upstreamIdle)
        tunnelIdle = Self.span(timeouts.tunnelIdle)
        expectation = Self.span(timeouts.expectation)
        let spans = [
            header, handshake, bodyIdle, firstByte, responseIdle, request, keepAlive, upstreamIdle, tunnelIdle,
            expectation,
        ]
        let shortest = spans.filter { $0 > 0 }.min() ?? 1_000_000_000
        tick = max(10_000_000, min(1_000_000_000, shortest / 4))
    }

    private static func span(_ duration: Duration) -> UInt64 { UInt64(max(0, duration.nanoseconds)) }
}

/// Ids for requests that bring none: unique without asking the kernel for random numbers each time.
struct RequestIDs {
    private let prefix = UInt64.random(in: .min ... .max)
    private var count = UInt64.random(in: .min ... .max)

    /// Goes on to the next request.
    mutating func advance() { count &+= 1 }

    /// An odd multiplier permutes the numbers, so neighbours do not look alike.
    private var low: UInt64 { count &* 0x9e37_79b9_7f4a_7c15 }

    /// The trace that begins here. It has the request's id where that is made here as well.
    var trace: TraceParent { TraceParent(high: prefix, low: low, span: prefix ^ (count &* 0xbf58_476d_1ce4_e5b9)) }

    /// Writes 32 hexadecimal digits into `bytes`, which is reused.
    mutating func next(into bytes: inout [UInt8]) {
        advance()
        write(into: &bytes)
    }

    func write(into bytes: inout [UInt8]) {
        if bytes.count != 32 { bytes = Array(repeating: 0x30, count: 32) }
        bytes.withUnsafeMutableBytes { memory in
            guard let base = memory.baseAddress else { return }
            Hexadecimal.store(prefix, to: base)
            Hexadecimal.store(low, to: base + 16)
        }
    }
}
