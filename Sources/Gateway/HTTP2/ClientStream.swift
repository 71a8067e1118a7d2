import HTTPWire
import NIOCore

/// One stream of a client's HTTP/2 connection, shown to a `ClientHandler` as an HTTP/1.1 connection with one request.
///
/// So there is one data path, and one set of rules, time-outs and limits for both protocols.
final class ClientStream {
    let id: UInt32
    let client: ClientHandler
    unowned let connection: ClientConnection
    let isGRPC: Bool
    private let isChunked: Bool

    // The request
    /// Body that the handler does not read yet, in the lines of HTTP/1.1 where it goes in chunks.
    private var inbound = ByteBuffer()
    /// So much of it counts for the window.
    private var inboundCount = 0
    private var isDelivering = false

    // The response
    var response = BodyReader()
    /// The request was HEAD: what its response says of a body does not come.
    let toHead: Bool
    /// Data that waits for room.
    var outbound = WaitingData()
    /// What follows the data: a last chunk.
    var trailers: ByteBuffer?
    /// Nothing follows the data, or the trailers.
    var endsNext = false
    var isEndWritten = false
    /// It is in the connection's list of those that wait.
    var isQueued = false
    /// What waited when the client was last given time for the rest.
    var tail = Int.max
    private var isOver = false

    init(_ id: UInt32, _ block: RequestBlock, client: ClientHandler, connection: ClientConnection) {
        self.id = id
        self.client = client
        self.connection = connection
        isGRPC = block.isGRPC
        isChunked = block.isChunked
        toHead = block.isHead
    }

    // MARK: The request

    func begin(_ block: RequestBlock) {
        client.begin(on: self)
        client.isPatient = isGRPC && client.worker.upstreams.mayRefuse
        if let fault = block.fault { return client.refuse(.malformed(fault)) }
        client.receive(connection.requestText())
    }

    /// A piece of the body.
    func receive(_ bytes: ByteBuffer, ends: Bool) {
        let count = bytes.readableBytes
        guard isChunked else { return deliver(bytes, count) }
        var chunk = ByteBufferAllocator().buffer(capacity: count + 25)
        if count > 0 { chunk.writeChunk(bytes) }
        if ends { chunk.writeStaticString("0\r\n\r\n") }
        deliver(chunk, count)
    }

    /// The end of a body, as a last chunk. One whose length was said has ended with its last byte.
    func receive(trailers: ByteBuffer) {
        guard isChunked else { return }
        deliver(trailers, 0)
    }

    private func deliver(_ bytes: ByteBuffer, _ count: Int) {
        inboundCount += count
        if inbound.readableBytes == 0 { inbound = bytes } else { inbound.writeImmutableBuffer(bytes) }
        deliver()
    }

    /// Gives the handler what it reads. The client may send as much again.
    func deliver() {
        if isDelivering { return }
        isDelivering = true
        while !isOver, client.mayRead, inbound.readableBytes > 0 {
            let bytes = inbound
            inbound = connection.worker.empty
            connection.session.handled(inboundCount, on: id)
            inboundCount = 0
            client.receive(bytes)
        }
        client.isReadHeld = !client.mayRead
        isDelivering = false
        connection.wake()
    }

    // MARK: The end

    /// The handler has nothing to add.
    func finish() {
        if response.endsWithClose { return endBody() }
        if !response.isComplete { cut() }
    }

    /// The handler breaks off. What is missing must be seen to be missing.
    func cut() {
        if isOver || isEndWritten { return }
        if response.endsWithClose { return endBody() }
        if isGRPC, !response.isAtHead, !response.isComplete {
            response.drop()
            trailers = GRPC.brokenOff
            endsNext = true
            queue()
            // They may have to wait behind data that the client does not take.
            if !isEndWritten { client.arm(.linger, client.worker.timers.bodyIdle) }
            return
        }
        // The last frames wait for a client that does not take them, or the app has not said everything.
        connection.session.reset(id, response.isComplete ? .cancel : .internalError)
        end()
    }

    /// The handler is done with what it was asked.
    func exchangeEnded() {
        if isEndWritten { connection.settle(self) }
    }

    private func endBody() {
        response.drop()
        endsNext = true
        queue()
    }

    /// Nothing more is sent.
    func end() {
        outbound = WaitingData()
        trailers = nil
        isEndWritten = true
        connection.isOver(self)
    }

    /// The stream is over, and its handler serves another one if it is ready for that.
    func ended() {
        guard !isOver, client.rest() else { return closed() }
        isOver = true
        client.worker.keep(client)
    }

    /// The stream is over, and so is what its handler takes for a connection.
    func closed() {
        if isOver { return }
        isOver = true
        isEndWritten = true
        inbound = ByteBuffer()
        outbound = WaitingData()
        trailers = nil
        client.streamClosed()
    }
}
