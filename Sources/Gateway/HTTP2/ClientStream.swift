import HTTPWire
import NIOCore
import NIOHPACK
import NIOHTTP2

/// One stream of a client's HTTP/2 connection, shown to a `ClientHandler` as an HTTP/1.1 connection with one request.
///
/// So there is one data path, and one set of rules, time-outs and limits for both protocols.
final class ClientStream: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let client: ClientHandler
    private unowned let connection: ClientConnection
    private var request: RequestTranslation?
    private var isRequestDone = false
    private var response = MessageReader { ClientStream.framing($0, isHead: false) }
    /// Kept when the frame that ends the response has been written.
    private var end: EventLoopPromise<Void>?
    private var isEndWritten = false
    private var isClosed = false

    init(client: ClientHandler, connection: ClientConnection) {
        self.client = client
        self.connection = connection
    }

    // MARK: The request

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let frame): request == nil ? begin(frame, context) : finish(frame.headers, context)
        case .data(let frame):
            guard request != nil, !isRequestDone, case .byteBuffer(let bytes) = frame.data else { return }
            if bytes.readableBytes > 0 { pass(bytes, context) }
            if frame.endStream { finish(nil, context) }
        default: break
        }
    }

    private func begin(_ frame: HTTP2Frame.FramePayload.Headers, _ context: ChannelHandlerContext) {
        isRequestDone = frame.endStream
        var head = context.channel.allocator.buffer(capacity: 1024)
        do throws(WireError) {
            let request = try RequestTranslation(frame.headers, isWhole: frame.endStream, into: &head)
            self.request = request
            if request.isHead { response = MessageReader { Self.framing($0, isHead: true) } }
            client.isPatient = request.isGRPC && client.worker.upstreams.mayRefuse
            context.fireChannelRead(wrapInboundOut(head))
        } catch {
            guard connection.bears(error) else { return }
            switch error {
            case .malformedFieldName, .controlByte, .malformedRequestLine:
                // No request at all (RFC 9113 8.1.1). The client must not be waited for to take an answer.
                isClosed = true
                return reset(.protocolError, context)
            default: break
            }
            if frame.headers.first(name: ":method") == "HEAD" {
                response = MessageReader { Self.framing($0, isHead: true) }
            }
            client.refuse(.malformed(error))
        }
    }

    private func pass(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        guard request?.isChunked ?? false else { return context.fireChannelRead(wrapInboundOut(bytes)) }
        var chunk = context.channel.allocator.buffer(capacity: bytes.readableBytes + 20)
        chunk.writeChunk(bytes)
        context.fireChannelRead(wrapInboundOut(chunk))
    }

    private func finish(_ trailers: HPACKHeaders?, _ context: ChannelHandlerContext) {
        guard !isRequestDone else { return }
        isRequestDone = true
        if let trailers {
            do throws(WireError) { try FieldText.check(trailers) } catch {
                if connection.bears(error) { reset(.protocolError, context) }
                return
            }
        }
        guard request?.isChunked ?? false else { return }
        var last = context.channel.allocator.buffer(capacity: 64)
        last.writeLastChunk(trailers)
        context.fireChannelRead(wrapInboundOut(last))
    }

    /// The end of the connection is not the end of a request: that has an end of its own.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { return }
        context.fireUserInboundEventTriggered(event)
    }

    // MARK: The response

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let bytes = unwrapOutboundIn(data)
        if bytes.readableBytes > 0, !response.isComplete {
            for part in response.take(bytes) { send(part, context) }
        }
        guard let promise else { return }
        if let end { end.futureResult.cascade(to: promise) } else { promise.succeed(()) }
    }

    /// With the end of the response the stream may be over at once. Its handler first finishes what it is at.
    func flush(context: ChannelHandlerContext) {
        guard end != nil, !isEndWritten else { return context.flush() }
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.execute { bound.value.flush() }
    }

    /// How the body of a response ends. Nil for an informational one.
    private static func framing(_ lines: MessageLines, isHead: Bool) -> BodyFraming? {
        let status = lines.status
        if status < 200 { return nil }
        if isHead || status == 204 || status == 304 { return BodyFraming.none }
        return lines.framing ?? .untilClose
    }

    private func send(_ part: MessageReader.Part, _ context: ChannelHandlerContext) {
        // The end may have been told already, in another form.
        if end != nil { return }
        switch part {
        case .head(let lines, let ends):
            if request?.isGRPC ?? false, lines.status >= 400, lines["x-fcctl-error"] != nil {
                // What follows is the same in words, for people.
                response.drop()
                return write(GRPC.failure(lines), ends: true, context)
            }
            if lines.size > HTTP2Settings.largestHead {
                response.drop()
                client.story.note(.malformedResponse(.headTooLarge))
                return write([":status": "502", "x-fcctl-error": "head-too-large"], ends: true, context)
            }
            var headers = HPACKHeaders()
            headers.reserveCapacity(lines.fields.count + 1)
            headers.add(name: ":status", value: "\(lines.status)")
            headers.add(lines.fields)
            write(headers, ends: ends, context)
        case .data(let bytes, let ends):
            let frame = HTTP2Frame.FramePayload.data(.init(data: .byteBuffer(bytes), endStream: ends))
            context.write(wrapOutboundOut(frame), promise: ends ? ending(context) : nil)
        case .trailers(let headers): write(headers, ends: true, context)
        }
    }

    private func write(_ headers: HPACKHeaders, ends: Bool, _ context: ChannelHandlerContext) {
        let frame = HTTP2Frame.FramePayload.headers(.init(headers: headers, endStream: ends))
        context.write(wrapOutboundOut(frame), promise: ends ? ending(context) : nil)
    }

    private func ending(_ context: ChannelHandlerContext) -> EventLoopPromise<Void> {
        let promise = context.eventLoop.makePromise(of: Void.self)
        end = promise
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        promise.futureResult.whenSuccess { bound.value.isEndWritten = true }
        return promise
    }

    // MARK: The end

    /// The handler closes its connection: after a whole response, which ended the stream already, or to break off.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        defer { promise?.succeed(()) }
        if mode == .input { return }
        if isClosed {
            if !isEndWritten { reset(.cancel, context) }
        } else if response.endsWithClose {
            response.drop()
            let frame = HTTP2Frame.FramePayload.data(.init(data: .byteBuffer(ByteBuffer()), endStream: true))
            context.write(wrapOutboundOut(frame), promise: ending(context))
            context.flush()
        } else if !response.isComplete {
            isClosed = true
            breakOff(context)
        } else if !isEndWritten {
            // The last frames wait for a client that does not take them.
            isClosed = true
            reset(.cancel, context)
        } else if !isRequestDone {
            // The rest of the request is of no use to anyone (RFC 9113 8.1).
            isClosed = true
            reset(.noError, context)
        }
    }

    /// What is missing must be seen to be missing.
    private func breakOff(_ context: ChannelHandlerContext) {
        guard request?.isGRPC ?? false, response.hasHead else { return reset(.internalError, context) }
        response.drop()
        write(GRPC.brokenOff, ends: true, context)
        context.flush()
        // They may have to wait behind data that the client does not take.
        client.arm(.linger, client.worker.timers.bodyIdle)
        if !isRequestDone, isEndWritten { reset(.noError, context) }
    }

    private func reset(_ code: HTTP2ErrorCode, _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(.rstStream(code)), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosed = true
        context.fireChannelInactive()
    }
}
