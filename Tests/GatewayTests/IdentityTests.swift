import Gateway
import NIOCore
import Testing

/// What the gateway tells apps and clients about each other.
@Suite(.timeLimit(.minutes(1))) struct IdentityTests {
    private static let forged =
        "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 666\r\n"
        + "X-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Request-Id: theirs\r\n"

    @Test func `strangers' words on themselves are replaced`() async throws {
        try await withGateway { _, _ in
            [ok("x")]
        } _: { fixture in
            let response = try await fixture.ask(get("/", Self.forged))
            let request = fixture.app.seen.requests.first ?? ""
            for word in ["6.6.6.6", "https", "evil", "666", "theirs"] { #expect(!request.contains(word), "\(request)") }
            for line in [
                "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: app",
                "X-Forwarded-Port: \(fixture.port)", "X-Real-IP: 127.0.0.1",
                "Forwarded: for=127.0.0.1;proto=http;host=\"app\"", "Via: 1.1 fcctl",
            ] { #expect(request.contains("\r\n\(line)\r\n"), "\(line)") }
            let id = Self.value("X-Request-Id", of: request)
            #expect(id.count == 32 && response.contains("\r\nX-Request-Id: \(id)\r\n"))
            #expect(Self.value("traceparent", of: request).hasPrefix("00-\(id)-"))
        }
    }

    @Test func `a trusted proxy's words are kept and added to`() async throws {
        try await withGateway { _, _ in
            [ok("x")]
        } configure: { gateway, _ in
            gateway.trustedProxies = [AddressBlock("127.0.0.0/8")].compactMap { $0 }
        } _: { fixture in
            let response = try await fixture.ask(get("/", Self.forged))
            let request = fixture.app.seen.requests.first ?? ""
            for line in Self.forged.split(separator: "\r\n") { #expect(request.contains("\r\n\(line)\r\n"), "\(line)") }
            #expect(request.contains("\r\nX-Forwarded-For: 127.0.0.1\r\n"))
            #expect(!request.contains("X-Forwarded-Proto: http\r\n") && !request.contains("X-Real-IP: 127.0.0.1"))
            #expect(response.contains("\r\nX-Request-Id: theirs\r\n"))
            #expect(Self.value("traceparent", of: request).hasSuffix("-01"))
        }
    }

    @Test func `request ids of strangers are kept where that is asked for, traces always`() async throws {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        try await withGateway { _, _ in
            [ok("x")]
        } configure: { gateway, _ in
            gateway.keepsRequestIDs = true
        } _: { fixture in
            let response = try await fixture.ask(
                get("/", "X-Request-Id: theirs\r\ntraceparent: \(trace)\r\ntracestate: a=1\r\n"))
            #expect(response.contains("\r\nX-Request-Id: theirs\r\n"))
            let request = fixture.app.seen.requests.first ?? ""
            #expect(request.contains("\r\ntraceparent: \(trace)\r\n") && request.contains("\r\ntracestate: a=1\r\n"))
            #expect(!request.contains("X-Forwarded-For: theirs"))
        }
    }

    @Test(arguments: InstanceHeaders.allCases)
    func `responses tell about the instance what they may`(_ headers: InstanceHeaders) async throws {
        try await withGateway { _, _ in
            [ok("x")]
        } configure: { gateway, _ in
            gateway.instanceHeaders = headers
        } _: { fixture in
            let response = try await fixture.ask(get("/"))
            #expect(response.contains("\r\nX-Instance-Id: ") == (headers != .none))
            for name in ["X-Instance-Ip", "X-Latency-Ms", "X-Start-Type", "Server-Timing"] {
                #expect(response.contains("\r\n\(name): ") == (headers == .all), "\(name)")
            }
        }
    }

    private static func value(_ name: String, of message: String) -> String {
        guard let field = message.firstRange(of: "\r\n\(name): ") else { return "" }
        return String(message[field.upperBound...].prefix { $0 != "\r\n" })
    }
}
