import HTTPWire
import NIOCore
import NIOHPACK
import NIOHTTP2

/// One stream to a machine that speaks HTTP/2, shown to an `UpstreamHandler` as a connection for a single exchange.
///
/// What comes from the machine is written as HTTP/1.1 and judged there like every other response.
final class MachineStream: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let link: MachineLink
    private var request = BodyReader()
    private var isHead = false
    private var hasHead = false
    private var isChunked = false
    private var isDone = false

    init(link: MachineLink) {
        self.link = link
    }

    // MARK: The request

    /// Heads come whole, and what follows one may come with it.
    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var bytes = unwrapOutboundIn(data)
        if request.isAtHead, let lines = MessageLines(reading: &bytes) {
            request.begin(lines.framing ?? BodyFraming.none)
            send(head(lines), ends: request.isComplete, context)
        }
        if !request.isAtHead, !request.isComplete { request.take(bytes) }
        while let part = request.next() {
            switch part {
            case .data(let bytes, let ends):
                context.write(
                    wrapOutboundOut(.data(.init(data: .byteBuffer(bytes), endStream: ends))), promise: nil)
            case .trailers(let section):
                var headers = HPACKHeaders()
                headers.add(section.withUnsafeReadableBytes(MessageLines.trailers))
                send(headers, ends: true, context)
            }
        }
        promise?.succeed(())
    }

    private func send(_ headers: HPACKHeaders, ends: Bool, _ context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(.headers(.init(headers: headers, endStream: ends))), promise: nil)
    }

    private func head(_ lines: MessageLines) -> HPACKHeaders {
        let words = lines.start.split(separator: " ")
        isHead = words.first == "HEAD"
        var headers = HPACKHeaders()
        headers.reserveCapacity(lines.fields.count + 4)
        headers.add(name: ":method", value: String(words.first ?? "GET"))
        headers.add(name: ":scheme", value: "http")
        headers.add(name: ":path", value: words.count > 1 ? String(words[1]) : "/", indexing: .nonIndexable)
        if let host = lines["host"] { headers.add(name: ":authority", value: host) }
        headers.add(lines.fields)
        return headers
    }

    // MARK: The response

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDone else { return }
        var out = context.channel.allocator.buffer(capacity: 512)
        switch unwrapInboundIn(data) {
        case .headers(let frame):
            do throws(WireError) {
                if hasHead { try end(frame, &out) } else { try begin(frame, &out) }
            } catch {
                // Written as it came it would be something else than was meant.
                isDone = true
                return context.fireErrorCaught(error)
            }
        case .data(let frame):
            guard hasHead, case .byteBuffer(let bytes) = frame.data else { return }
            if !isChunked, frame.endStream { isDone = true }
            if bytes.readableBytes > 0 {
                if isChunked { out.writeChunk(bytes) } else { out = bytes }
            }
            if frame.endStream, isChunked {
                isDone = true
                out.writeLastChunk(nil)
            }
        default: return
        }
        if out.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(out)) }
    }

    private func begin(_ frame: HTTP2Frame.FramePayload.Headers, _ out: inout ByteBuffer) throws(WireError) {
        guard let status = frame.headers.first(name: ":status"), status.utf8.count == 3, let code = Int(status) else {
            throw .malformedStatusLine
        }
        out.writeString("HTTP/1.1 \(status) \r\n")
        var hasLength = false
        for (name, value, _) in frame.headers where name != ":status" {
            try FieldText.check(name: name, value: value)
            if name == "content-length" { hasLength = true }
            out.writeField(name, value)
        }
        if code >= 200 {
            hasHead = true
            isDone = frame.endStream
            let hasBody = !isHead && code != 204 && code != 304
            if hasBody, !hasLength {
                isChunked = !isDone
                out.writeStaticString(isDone ? "content-length: 0\r\n" : "transfer-encoding: chunked\r\n")
            }
            // The stream is for this exchange alone.
            out.writeStaticString("connection: close\r\n")
        }
        out.writeStaticString("\r\n")
    }

    private func end(_ frame: HTTP2Frame.FramePayload.Headers, _ out: inout ByteBuffer) throws(WireError) {
        isDone = true
        guard isChunked else { return }
        try FieldText.check(frame.headers)
        out.writeLastChunk(frame.headers)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.fireErrorCaught(link.isRefusal(error) ? StreamRefused() : error)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A stream has an end of its own.
        if case .inputClosed? = event as? ChannelEvent { return }
        context.fireUserInboundEventTriggered(event)
    }
}
