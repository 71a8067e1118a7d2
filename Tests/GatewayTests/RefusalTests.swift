import MachinePool
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import Gateway

/// What a machine says that it has not looked at may be sent again, whatever it is (RFC 9113 8.7).
@Suite(.timeLimit(.minutes(1))) struct RefusalTests {
    private func answers(
        to request: String, when refusal: FrameApp.Refusal, repeated: Int = 1
    ) async throws -> (response: String, seen: FrameApp.Log) {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let app = try await FrameApp.start(on: group, refusal, times: repeated)
        var response = ""
        try await withGateway({ _, _ in [] }, upstreams: ["127.0.0.1:\(app.port)"]) { gateway, pool in
            gateway.appProtocol = .h2c
            pool.max = 1
        } _: { fixture in
            response = try await fixture.ask(request)
            #expect(try await fixture.isAtRest())
        }
        try await app.channel.close()
        try await group.shutdownGracefully()
        return (response, app.log.withLockedValue { $0 })
    }

    private static let post = "POST /x HTTP/1.1\r\nHost: app\r\nContent-Length: 5\r\n\r\nhello"

    @Test(arguments: [FrameApp.Refusal.refusedStream, .goodbye])
    func `a POST that was refused is sent again with its body`(_ refusal: FrameApp.Refusal) async throws {
        let (response, seen) = try await answers(to: Self.post, when: refusal)
        #expect(response.hasPrefix("HTTP/1.1 200 "), "\(response)")
        #expect(seen.heads == 2 && seen.bodies.last == "hello")
    }

    @Test(arguments: [FrameApp.Refusal.cancel, .goodbyeAfter])
    func `a POST that may have been looked at is not sent again`(_ refusal: FrameApp.Refusal) async throws {
        let (response, seen) = try await answers(to: Self.post, when: refusal)
        #expect(response.hasPrefix("HTTP/1.1 502 "), "\(response)")
        #expect(seen.heads == 1)
    }

    @Test func `refusals without end are an answer`() async throws {
        let (response, seen) = try await answers(to: Self.post, when: .refusedStream, repeated: .max)
        #expect(response.hasPrefix("HTTP/1.1 502 "), "\(response)")
        #expect(seen.heads > 1 && seen.heads < 6)
    }

    @Test func `a body that is too long to be kept is not sent again`() async throws {
        let long =
            "POST /x HTTP/1.1\r\nHost: app\r\nContent-Length: 400000\r\n\r\n" + String(repeating: "x", count: 400_000)
        let (response, seen) = try await answers(to: long, when: .refusedStreamAfterBody)
        #expect(response.hasPrefix("HTTP/1.1 502 "), "\(response)")
        #expect(seen.heads == 1)
    }
}

/// An app that speaks HTTP/2 frame by frame and refuses its first requests in one of several ways.
struct FrameApp {
    enum Refusal: Sendable { case refusedStream, refusedStreamAfterBody, cancel, goodbye, goodbyeAfter }

    struct Log: Sendable {
        var heads = 0
        var bodies: [String] = []
    }

    let channel: any Channel
    let log: NIOLockedValueBox<Log>

    var port: Int { channel.localAddress?.port ?? 0 }

    static func start(on group: any EventLoopGroup, _ refusal: Refusal, times: Int) async throws -> FrameApp {
        let log = NIOLockedValueBox(Log())
        let channel = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(FrameAppHandler(refusal, times, log))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return FrameApp(channel: channel, log: log)
    }
}

private final class FrameAppHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let refusal: FrameApp.Refusal
    private let times: Int
    private let log: NIOLockedValueBox<FrameApp.Log>
    private var input = ByteBuffer()
    private var hasPreface = false
    private var body = ""

    init(_ refusal: FrameApp.Refusal, _ times: Int, _ log: NIOLockedValueBox<FrameApp.Log>) {
        self.refusal = refusal
        self.times = times
        self.log = log
    }

    func channelActive(context: ChannelHandlerContext) { send([.settings([(4, 1 << 20)])], context) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        input.writeBuffer(&buffer)
        if !hasPreface {
            guard input.readString(length: 24) != nil else { return }
            hasPreface = true
            send([.windowUpdate(stream: 0, by: 1 << 20)], context)
        }
        while let header = input.getBytes(at: input.readerIndex, length: 9) {
            let length = Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2])
            guard input.readableBytes >= 9 + length else { return }
            input.moveReaderIndex(forwardBy: 9)
            let payload = input.readString(length: length) ?? ""
            let stream = header[5...].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            take(type: header[3], ends: header[4] & RawFrame.endStream != 0, stream, payload, context)
        }
    }

    private func take(type: UInt8, ends: Bool, _ stream: UInt32, _ payload: String, _ context: ChannelHandlerContext) {
        switch type {
        case 1:
            body = ""
            let number = log.withLockedValue { log in
                log.heads += 1
                return log.heads
            }
            if number <= times, refusal != .refusedStreamAfterBody { refuse(stream, context) }
        case 0:
            body += payload
            guard ends else { return }
            log.withLockedValue { $0.bodies.append(body) }
            let number = log.withLockedValue { $0.heads }
            if number > times {
                send([.headers([(":status", "200"), ("content-length", "0")], stream: stream)], context)
            } else if refusal == .refusedStreamAfterBody {
                refuse(stream, context)
            }
        default: break
        }
    }

    private func refuse(_ stream: UInt32, _ context: ChannelHandlerContext) {
        switch refusal {
        case .refusedStream, .refusedStreamAfterBody: send([.reset(stream: stream, code: 7)], context)
        case .cancel: send([.reset(stream: stream, code: 8)], context)
        case .goodbye: send([.goAway()], context)
        // It names the stream as one that it has looked at, and goes without an answer.
        case .goodbyeAfter:
            send([RawFrame(type: 7, payload: RawFrame.four(stream) + RawFrame.four(0))], context)
            context.close(promise: nil)
        }
    }

    private func send(_ frames: [RawFrame], _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: frames.flatMap(\.bytes))), promise: nil)
    }
}
