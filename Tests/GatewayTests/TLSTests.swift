import LinuxHost
import MachinePool
import NIOConcurrencyHelpers
import NIOCore
import NIOSSL
import NIOTLS
import SystemPackage
import TestSupport
import Testing

@testable import Gateway

/// A gateway with HTTPS before one scripted app, for one body.
func withTLSGateway(
    _ certificates: [TestCertificate] = [.first, .second],
    _ script: @escaping ScriptedApp.Script = { _, _ in [ok("safe")] },
    configure: @escaping (inout GatewayConfiguration, inout PoolConfiguration) -> Void = { _, _ in },
    _ body: (Fixture, FilePath) async throws -> Void
) async throws {
    let folder = FilePath("/tmp/fcctl-test-\(UInt64.random(in: .min ... .max))")
    try Files.makeDirectory(folder)
    defer { try? Files.removeTree(folder) }  // a leftover folder must not turn a test red
    let pairs = try certificates.map { try $0.write(to: folder, as: $0.rawValue) }
    try await withGateway(
        script,
        configure: { gateway, pool in
            var settings = TLSSettings(pairs: pairs)
            settings.reloadInterval = .milliseconds(20)
            gateway.tls = settings
            configure(&gateway, &pool)
        },
        { try await body($0, folder) })
}

extension Fixture {
    /// A client that trusts anyone and asks for `name`.
    func secure(
        _ name: String? = "first.test", offering protocols: [String] = ["http/1.1"], versions: ClosedRange<Int> = 2...3
    ) async throws -> (client: RawClient, peer: PeerCertificate) {
        let peer = PeerCertificate()
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        configuration.shutdownTimeout = .milliseconds(50)
        configuration.applicationProtocols = protocols
        let all: [TLSVersion] = [.tlsv1, .tlsv11, .tlsv12, .tlsv13]
        configuration.minimumTLSVersion = all[versions.lowerBound]
        configuration.maximumTLSVersion = all[versions.upperBound]
        let context = try NIOSSLContext(configuration: configuration)
        let client = try await RawClient.connect(port, on: group) { channel in
            let handler = try NIOSSLClientHandler(context: context, serverHostname: name)
            try channel.pipeline.syncOperations.addHandlers([handler, PeerWatch(peer)])
        }
        return (client, peer)
    }

    func ask(_ request: String, of name: String?) async throws -> String {
        let (client, _) = try await secure(name)
        try await client.send(request)
        let response = try await client.response()
        try await client.close()
        return response
    }

    /// Which certificate who asks for `name` gets.
    func certificate(for name: String?) async throws -> TestCertificate? {
        let (client, peer) = try await secure(name)
        try await client.send(get("/"))
        _ = try await client.response()
        try await client.close()
        return peer.certificate
    }
}

@Suite(.serialized) struct TLSTests {
    @Test func `HTTPS is spoken, and the app hears of it`() async throws {
        try await withTLSGateway { fixture, _ in
            let answer = try await fixture.ask(get("/"), of: "first.test")
            #expect(answer.hasPrefix("HTTP/1.1 200") && answer.hasSuffix("safe"))
            let request = fixture.app.seen.requests.joined()
            #expect(request.contains("X-Forwarded-Proto: https") && request.contains("proto=https"))
            #expect(!answer.contains("Strict-Transport-Security"))
        }
    }

    @Test func `HTTP 2 is agreed on where the client offers it`() async throws {
        try await withTLSGateway { fixture, _ in
            let (raw, peer) = try await fixture.secure(offering: ["h2", "http/1.1"])
            let client = FrameClient(raw)
            try await raw.send(FrameClient.preface)
            try await client.send(.settings(), .headers(h2()))
            let result = try await client.result()
            #expect(result.status == 200 && result.text == "safe")
            #expect(peer.agreed == "h2")
            #expect(fixture.app.seen.requests.joined().contains("X-Forwarded-Proto: https"))
            try await raw.close()
        }
    }

    @Test func `the name a client asks for picks the certificate`() async throws {
        try await withTLSGateway { fixture, _ in
            for (name, certificate) in [
                ("first.test", TestCertificate.first), ("second.test", .second), ("SECOND.test", .second),
                ("a.wild.test", .second), ("a.b.wild.test", .first), ("wild.test", .first), ("unknown.test", .first),
                (nil, .first),
            ] {
                let served = try await fixture.certificate(for: name)
                #expect(served == certificate, "\(name ?? "no name")")
            }
        }
    }

    @Test func `older versions than 1-2 are not spoken`() async throws {
        try await withTLSGateway { fixture, _ in
            for version in [0, 1] {
                let (client, _) = try await fixture.secure(versions: version...version)
                #expect(try await client.readAll() == "")
            }
            for version in [2, 3] {
                let (client, _) = try await fixture.secure(versions: version...version)
                try await client.send(get("/"))
                #expect(try await client.response().hasSuffix("safe"))
                try await client.close()
            }
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `a certificate that changes is served from then on, and open connections stay`() async throws {
        try await withTLSGateway([.first]) { fixture, folder in
            let (open, _) = try await fixture.secure()
            try await open.send(get("/"))
            _ = try await open.response()
            try TestCertificate.second.write(to: folder, as: "first")
            var served: TestCertificate?
            for _ in 0..<100 where served != .second {
                served = try await fixture.certificate(for: nil)
            }
            #expect(served == .second)
            try await open.send(get("/"))
            #expect(try await open.response().hasSuffix("safe"))
            try await open.close()
        }
    }

    @Test func `a certificate that does not fit leaves the old one in place, and says why`() async throws {
        try await withTLSGateway([.first]) { fixture, folder in
            try TestCertificate.write(TestCertificate.second.key, to: folder.appending("first.key"))
            let status = get("/api/status").replacing("Host: app", with: "Host: localhost")
            var answer = ""
            for _ in 0..<200 where !answer.contains("is not that of") {
                answer = try await fixture.ask(status, of: "first.test")
            }
            #expect(answer.contains("is not that of the certificate"), "\(answer)")
            #expect(answer.contains("\"names\":[\"first.test\",\"localhost\"]"))
            #expect(try await fixture.certificate(for: nil) == .first)
            // And it is mended by the other half.
            try TestCertificate.write(TestCertificate.second.certificate, to: folder.appending("first.crt"))
            var served: TestCertificate?
            for _ in 0..<200 where served != .second { served = try await fixture.certificate(for: nil) }
            #expect(served == .second)
        }
    }

    @Test func `a connection that does not finish its handshake is closed`() async throws {
        try await withTLSGateway(configure: { gateway, _ in gateway.timeouts.handshake = .milliseconds(100) }) {
            fixture, _ in
            let silent = try await fixture.client()
            let half = try await fixture.client()
            try await half.send(ByteBuffer(bytes: [0x16, 3, 1, 0, 200, 1, 0, 0, 196]))
            #expect(try await silent.readAll() == "")
            #expect(try await half.readAll() == "")
        }
    }

    @Test func `what is not TLS is closed`() async throws {
        try await withTLSGateway { fixture, _ in
            let client = try await fixture.client()
            try await client.send(get("/"))
            let answer = try await client.readAll()
            #expect(!answer.contains("200"))
            #expect(fixture.app.seen.requests.isEmpty)
        }
    }

    @Test func `a drain lets a request finish`() async throws {
        try await withTLSGateway([.first], { _, _ in [.wait(.milliseconds(200)), ok("done")] }) { fixture, _ in
            let (client, _) = try await fixture.secure()
            try await client.send(get("/"))
            #expect(try await fixture.eventually { fixture.app.seen.requests.count == 1 })
            async let drained: Void = fixture.gateway.drain(deadline: .seconds(5))
            #expect(try await client.response().hasSuffix("done"))
            #expect(try await client.readAll() == "")
            await drained
        }
    }

    @Test func `a response that breaks off is seen to be broken`() async throws {
        try await withTLSGateway(
            [.first],
            { _, _ in
                [.send("HTTP/1.1 200 OK\r\n\r\nhalf"), .wait(.milliseconds(50)), .reset]
            }
        ) { fixture, _ in
            let (client, _) = try await fixture.secure()
            // Only the end of the connection would end this response: it must not be the end that TLS knows.
            try await client.send("GET / HTTP/1.0\r\nHost: app\r\n\r\n")
            _ = try await client.readAll()
            #expect(client.wasReset == true)
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `bodies of any size pass both ways`() async throws {
        let size = 4 << 20
        try await withTLSGateway(
            [.first],
            { _, _ in
                [.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n"), .bytes(size)]
            }
        ) { fixture, _ in
            let (client, _) = try await fixture.secure()
            try await client.send("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: \(size)\r\n\r\n")
            try await client.send(ByteBuffer(repeating: 0x78, count: size))
            #expect(try await client.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
            #expect(try await client.drain(size) == size)
            try await client.close()
        }
    }

    @Test func `plain HTTP is shown the way to HTTPS`() async throws {
        try await withTLSGateway(configure: { gateway, _ in gateway.tls?.redirectPort = 0 }) { fixture, _ in
            let port = try #require(fixture.gateway.redirectAddress?.port)
            func location(_ request: String) async throws -> String {
                let client = try await RawClient.connect(port, on: fixture.group)
                try await client.send(request)
                let answer = try await client.readAll()
                try await client.close()
                return answer
            }
            for (request, target) in [
                ("GET /a?b=c HTTP/1.1\r\nHost: app.test\r\n\r\n", "https://app.test:\(fixture.port)/a?b=c"),
                (
                    "POST / HTTP/1.1\r\nHost: app.test:80\r\nContent-Length: 3\r\n\r\nabc",
                    "https://app.test:\(fixture.port)/"
                ),
                ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "https://[::1]:\(fixture.port)/"),
                ("GET http://x.test/y HTTP/1.1\r\nHost: z\r\n\r\n", "https://x.test:\(fixture.port)/y"),
            ] {
                let answer = try await location(request)
                #expect(answer.hasPrefix("HTTP/1.1 308 ") && answer.contains("Location: \(target)\r\n"), "\(answer)")
            }
            #expect(try await location("GET / HTTP/1.0\r\n\r\n").hasPrefix("HTTP/1.1 400"))
            #expect(try await location("nonsense\r\n\r\n").hasPrefix("HTTP/1.1 400"))
            #expect(fixture.app.seen.requests.isEmpty)
        }
    }

    @Test func `browsers are told to stay with HTTPS if that is wanted`() async throws {
        try await withTLSGateway(configure: { gateway, _ in gateway.tls?.strictTransport = .seconds(3600) }) {
            fixture, _ in
            let answer = try await fixture.ask(get("/"), of: "first.test")
            #expect(answer.contains("Strict-Transport-Security: max-age=3600\r\n"))
        }
    }

    @Test func `a machine starts when the handshake begins, before there is a request`() async throws {
        try await withTLSGateway(configure: { _, pool in pool.min = 0 }) { fixture, _ in
            #expect(fixture.pool.status().instances.total == 0)
            let (scanner, _) = try await fixture.secure(nil)
            let (stranger, _) = try await fixture.secure("unknown.test")
            // Neither asks for a name that is served here. What a client without a request sees of this is nothing.
            let (client, _) = try await fixture.secure("second.test")
            #expect(try await fixture.eventually { fixture.pool.status().instances.idle == 1 })
            #expect(fixture.pool.status().requests.total == 0 && fixture.app.seen.requests.isEmpty)
            // More of them start nothing more, and leaving costs nothing.
            for _ in 0..<5 { try await fixture.secure("second.test").client.close() }
            try await client.send(get("/"))
            #expect(try await client.response().contains("X-Start-Type: idle"))
            #expect(fixture.pool.status().starts.cold.count == 1)
            for client in [scanner, stranger, client] { try await client.close() }
        }
    }
}

/// What the gateway showed of itself in a handshake.
final class PeerCertificate: Sendable {
    private let state = NIOLockedValueBox<(certificate: TestCertificate?, agreed: String?)>((nil, nil))

    var certificate: TestCertificate? { state.withLockedValue { $0.certificate } }
    var agreed: String? { state.withLockedValue { $0.agreed } }

    func note(_ certificate: NIOSSLCertificate?, _ agreed: String?) {
        let all: [TestCertificate] = [.first, .second, .expired]
        let found = all.first { item in
            guard let certificate, let other = try? NIOSSLCertificate.fromPEMBytes(Array(item.certificate.utf8)).first
            else { return false }  // then it is none of these
            return other == certificate
        }
        state.withLockedValue { $0 = (found, agreed) }
    }
}

private final class PeerWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let peer: PeerCertificate

    init(_ peer: PeerCertificate) {
        self.peer = peer
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted(let agreed)? = event as? TLSUserEvent {
            let handler = try? context.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)
            peer.note(handler?.peerCertificate, agreed)
        }
        context.fireUserInboundEventTriggered(event)
    }
}
