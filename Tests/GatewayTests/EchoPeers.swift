import NIOCore
import NIOPosix

/// An app that answers each request with its own target: with a length, in chunks, or in two pieces, as the target's size has it.
final class TargetApp: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var input = ByteBuffer()

    static func start(on group: any EventLoopGroup) async throws -> any Channel {
        try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(TargetApp()) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        input.writeBuffer(&buffer)
        while let head = input.readHead() {
            guard let from = head.firstIndex(of: 0x20), let to = head[(from + 1)...].firstIndex(of: 0x20) else {
                return
            }
            let target = head[(from + 1)..<to]
            var out = context.channel.allocator.buffer(capacity: 128 + target.count)
            switch target.count % 3 {
            case 0:
                out.writeString("HTTP/1.1 200 OK\r\nContent-Length: \(target.count)\r\n\r\n")
                out.writeBytes(target)
            case 1:
                out.writeString(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(String(target.count, radix: 16))\r\n")
                out.writeBytes(target)
                out.writeString("\r\n0\r\n\r\n")
            default:
                out.writeString("HTTP/1.1 200 OK\r\nContent-Length: \(target.count)\r\n\r\n")
                context.writeAndFlush(wrapOutboundOut(out), promise: nil)
                out = context.channel.allocator.buffer(bytes: target)
            }
            context.writeAndFlush(wrapOutboundOut(out), promise: nil)
        }
        input.discardReadBytes()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// A client that sends requests some at a time, each for a target that nobody else has, and counts the answers that are not its own.
final class TargetClient: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let name: String
    private let count: Int
    private let batch: Int
    private let done: EventLoopPromise<Int>
    private var input = ByteBuffer()
    private var sent = 0
    private var answered = 0
    private var wrong = 0

    /// `done` gets the number of wrong answers once all have come.
    init(_ name: String, count: Int, batch: Int, done: EventLoopPromise<Int>) {
        self.name = name
        self.count = count
        self.batch = batch
        self.done = done
    }

    static func run(_ name: String, port: Int, count: Int, batch: Int, on group: any EventLoopGroup) async throws -> Int
    {
        let loop = group.next()
        let done = loop.makePromise(of: Int.self)
        let channel = try await ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        TargetClient(name, count: count, batch: batch, done: done))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        let wrong = try await done.futureResult.get()
        try await channel.close()
        return wrong
    }

    func channelActive(context: ChannelHandlerContext) { send(context) }

    private func send(_ context: ChannelHandlerContext) {
        var out = context.channel.allocator.buffer(capacity: 64 * batch)
        for _ in 0..<min(batch, count - sent) {
            out.writeString("GET \(target(sent)) HTTP/1.1\r\nHost: app\r\n\r\n")
            sent += 1
        }
        context.writeAndFlush(wrapOutboundOut(out), promise: nil)
    }

    /// Different sizes, so that the app answers in different ways.
    private func target(_ number: Int) -> String { "/\(name)/\(number)/\("xxxxxxx".prefix(number % 7))" }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        input.writeBuffer(&buffer)
        while answered < sent, let body = input.readResponse() {
            if !body.elementsEqual(target(answered).utf8) { wrong += 1 }
            answered += 1
        }
        input.discardReadBytes()
        if answered == count { return done.succeed(wrong) }
        if answered == sent { send(context) }
    }

    func channelInactive(context: ChannelHandlerContext) { done.fail(ChannelError.eof) }
}

extension ByteBuffer {
    /// A whole head with its empty line, taken out; nil while there is none.
    fileprivate mutating func readHead() -> [UInt8]? {
        guard let end = endOfHead() else { return nil }
        return readBytes(length: end)
    }

    private func endOfHead() -> Int? {
        withUnsafeReadableBytes { bytes in
            guard bytes.count >= 4 else { return nil }
            for index in 3..<bytes.count
            where bytes[index] == 0x0a && bytes[index - 1] == 0x0d && bytes[index - 2] == 0x0a
                && bytes[index - 3] == 0x0d
            {
                return index + 1
            }
            return nil
        }
    }

    /// The body of a whole response, taken out with its head; nil while it is not whole.
    fileprivate mutating func readResponse() -> [UInt8]? {
        guard let end = endOfHead() else { return nil }
        let before = readerIndex
        let head = readString(length: end) ?? ""
        if let field = head.firstRange(of: "Content-Length: ") {
            let length = Int(head[field.upperBound...].prefix { $0.isNumber }) ?? 0
            if let body = readBytes(length: length) { return body }
        } else if let line = readableBytesView.firstIndex(of: 0x0d) {
            let digits = getString(at: readerIndex, length: line - readerIndex) ?? ""
            let length = Int(digits, radix: 16) ?? 0
            if readableBytes >= digits.utf8.count + length + 9 {
                moveReaderIndex(forwardBy: digits.utf8.count + 2)
                let body = readBytes(length: length)
                moveReaderIndex(forwardBy: 7)
                return body
            }
        }
        moveReaderIndex(to: before)
        return nil
    }
}
