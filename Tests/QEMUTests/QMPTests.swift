import Glibc
import LinuxHost
import NIOCore
import NIOPosix
import SystemPackage
import TestSupport
import Testing

@testable import QEMU

@Suite struct QMPTests {
    private func parse(_ text: String) throws(QMPError) -> QMPMessage { try QMPMessage.parse(Array(text.utf8)) }

    @Test func `the messages of the protocol are told apart`() throws {
        let greeting = """
            {"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "x"}, "capabilities": ["oob"]}}
            """
        #expect(try parse(greeting) == .greeting(version: "7.2.22"))
        #expect(try parse(#"{"timestamp": {"seconds": 1}, "event": "STOP", "data": {"a": [1]}}"#) == .event("STOP"))
        #expect(
            try parse(#"{"id": 7, "error": {"class": "GenericError", "desc": "no"}}"#)
                == .failure(id: 7, description: "no"))
        let answer = #"{"return": {"running": true}, "id": 3}"#
        #expect(try parse(answer) == .answer(id: 3, line: Array(answer.utf8)))
    }

    @Test(arguments: [
        "", "{", "[]", "null", "{}", #"{"return": {}}"#, #"{"QMP": 1}"#, #"{"id": "x", "return": {}}"#,
        #"{"error": "text"}"#, "\u{0}\u{1}", String(repeating: "[", count: 10_000),
    ])
    func `anything else is refused`(_ text: String) {
        #expect(throws: QMPError.self) { _ = try parse(text) }
    }

    @Test func `random bytes never crash the parser`() {
        let seed = UInt64.random(in: .min ... .max)
        print("seed \(seed)")
        var state = seed
        func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
        let alphabet = Array(#"{}[]":,idQMPreturnerror0123456789 \u0000"#.utf8)
        for _ in 0..<5000 {
            let bytes = (0..<(next() % 60)).map { _ in alphabet[Int(next()) % alphabet.count] }
            var lines = QMPLines()
            for line in (try? lines.append(bytes + [10])) ?? [] { _ = try? QMPMessage.parse(line) }
        }
    }

    @Test func `lines are cut whatever the pieces they come in`() throws {
        var lines = QMPLines(limit: 10)
        #expect(try lines.append("ab".utf8) == [])
        #expect(try lines.append("c\r\n\r\n\nde\nf".utf8) == [Array("abc".utf8), Array("de".utf8)])
        #expect(throws: QMPError.tooLong) { _ = try lines.append("0123456789".utf8) }
    }

    @Test func `a command has its number and its arguments`() {
        #expect(QMPCommand("stop").line(id: 4) == #"{"execute":"stop","id":4}"# + "\n")
        #expect(
            QMPCommand("getfd", arguments: #"{"fdname":"x"}"#).line(id: 1)
                == #"{"execute":"getfd","arguments":{"fdname":"x"},"id":1}"# + "\n")
    }

    /// Runs `body` against a peer that says exactly `script`, one piece for each line that it receives.
    private func withPeer(
        _ script: [String], _ body: (borrowing OwnedDescriptor) async throws -> Void
    ) async throws {
        let folder = FilePath("/tmp/fcctl-test-\(UInt64.random(in: .min ... .max))")
        try Files.makeDirectory(folder)
        let path = folder.appending("s")
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ScriptedPeer(script))
                }
            }.bind(unixDomainSocketPath: path.string).get()
        do {
            try await body(try UnixSocket.connect(path))
        } catch {
            Issue.record(error)
        }
        try await server.close()
        try Files.removeTree(folder)
    }

    private static let hello = #"{"QMP":{"version":{"qemu":{"major":7,"minor":2,"micro":0}}}}"# + "\n"

    private func open(_ socket: borrowing OwnedDescriptor) async throws(QMPError) -> QMPClient {
        try await QMPClient.open(
            OwnedDescriptor(dup(socket.rawValue)), within: .milliseconds(500),
            group: MultiThreadedEventLoopGroup.singleton, onEvent: { _ in })
    }

    @Test func `a peer that does not greet is a time-out`() async throws {
        try await withPeer([]) { socket in
            do { _ = try await open(socket); Issue.record("greeted") } catch {
                #expect(error as? QMPError == .timedOut)
            }
        }
    }

    @Test func `a refused command, events between and a late answer are sorted out`() async throws {
        let script = [
            Self.hello, #"{"return":{},"id":1}"# + "\n",
            #"{"event":"STOP"}"# + "\n" + #"{"id":2,"error":{"class":"x","desc":"not now"}}"# + "\n",
            "", #"{"return":{},"id":3}"# + "\n" + #"{"return":{"running":false,"status":"paused"},"id":4}"# + "\n",
        ]
        try await withPeer(script) { socket in
            let client = try await open(socket)
            #expect(client.version == "7.2.0")
            do { try await client.execute(QMPCommand("stop")) } catch {
                #expect(error as? QMPError == .refused("not now"))
            }
            do {
                try await client.execute(QMPCommand("cont"), within: .milliseconds(100))
                Issue.record("answered")
            } catch { #expect(error as? QMPError == .timedOut) }
            let status = try await client.status()
            #expect(status.running == false && status.name == "paused")
            await client.close()
        }
    }

    @Test func `garbage ends the connection and every command in flight`() async throws {
        try await withPeer([Self.hello, #"{"return":{},"id":1}"# + "\n", "garbage\n"]) { socket in
            let client = try await open(socket)
            do {
                try await client.execute(QMPCommand("stop"))
                Issue.record("answered")
            } catch { #expect(error as? QMPError == .undecodable("garbage")) }
            await #expect(throws: QMPError.self) { try await client.execute(QMPCommand("stop")) }
        }
    }
}

/// Sends the first piece when connected and one more for each line that comes in.
private final class ScriptedPeer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private var script: [String]

    init(_ script: [String]) { self.script = script }

    func channelActive(context: ChannelHandlerContext) { say(context) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        for byte in unwrapInboundIn(data).readableBytesView where byte == 10 { say(context) }
    }

    private func say(_ context: ChannelHandlerContext) {
        guard !script.isEmpty else { return }
        let text = script.removeFirst()
        context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(string: text)), promise: nil)
    }
}
