import HTTPWire
import NIOCore

/// Answers plain HTTP with the way to HTTPS, and nothing else.
final class RedirectHandler: ChannelInboundHandler, WorkerLink {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let worker: Worker
    private let port: Int
    private(set) var deadline: UInt64 = 0
    private var context: ChannelHandlerContext?
    private var pending = ByteBuffer()
    private var isAnswered = false

    /// `port`: where HTTPS is served.
    init(worker: Worker, port: Int) {
        self.worker = worker
        self.port = port
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        worker.add(self)
        deadline = worker.coarseNow &+ worker.timers.header
        if !worker.admit(context.channel) || worker.isDraining { abort() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        worker.remove(self)
    }

    func channelInactive(context: ChannelHandlerContext) {
        worker.remove(self)
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isAnswered { return }
        var buffer = unwrapInboundIn(data)
        pending.writeBuffer(&buffer)
        var fields = HeadFields()
        var parser = RequestParser()
        let limits = worker.configuration.limits.head
        let parsed: Result<RequestHead?, WireError> = pending.withUnsafeReadableBytes { bytes in
            do throws(WireError) { return .success(try parser.parse(bytes, &fields, limits)) } catch {
                return .failure(error)
            }
        }
        switch parsed {
        case .success(nil): break
        case .success(let head?): answer(location(head), context)
        case .failure: answer(nil, context)
        }
    }

    /// The same address by HTTPS. Nil when the request does not say which host it means.
    private func location(_ head: RequestHead) -> String? {
        guard !head.authority.isEmpty,
            let authority = pending.getString(
                at: pending.readerIndex + head.authority.lowerBound, length: head.authority.count),
            let target = pending.getString(at: pending.readerIndex + head.target.lowerBound, length: head.target.count)
        else { return nil }
        var host = authority[...]
        if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") { host = host[..<colon] }
        let path = target.hasPrefix("/") ? target : target.hasPrefix("?") ? "/" + target : "/"
        return "https://\(host)\(port == 443 ? "" : ":\(port)")\(path)"
    }

    private func answer(_ location: String?, _ context: ChannelHandlerContext) {
        isAnswered = true
        // 308 keeps method and body, and an Upgrade request is one like any other.
        var text = location == nil ? "HTTP/1.1 400 Bad Request\r\n" : "HTTP/1.1 308 Permanent Redirect\r\n"
        if let location { text += "Location: \(location)\r\n" }
        text += "Content-Length: 0\r\nConnection: close\r\n"
        var response = context.channel.allocator.buffer(capacity: 256)
        response.writeString(text)
        response.writeBytes(worker.additions.date)
        response.writeStaticString("\r\n")
        context.writeAndFlush(wrapOutboundOut(response), promise: nil)
        // Closing on a body that still comes would take the answer away from the client.
        context.close(mode: .output, promise: nil)
        deadline = worker.coarseNow &+ worker.timers.linger
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { return abort() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { abort() }

    func expire() { abort() }

    func drain() { if !isAnswered { abort() } }

    func abort() { context?.close(promise: nil) }
}
