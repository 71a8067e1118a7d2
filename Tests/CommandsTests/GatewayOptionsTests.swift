import ArgumentParser
import Gateway
import HTTPWire
import Testing

@testable import Commands

@Suite struct GatewayOptionsTests {
    @Test func `serve's flags reach the gateway`() throws {
        let command = try ServeCommand.parse([
            "demo", "--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "fd00::1", "--keep-request-ids",
            "--instance-headers", "id", "--header-timeout", "1s", "--body-timeout", "2s", "--connect-timeout", "3s",
            "--response-timeout", "0", "--stream-timeout", "5s", "--request-timeout", "6s", "--keep-alive-timeout",
            "7s", "--tunnel-idle-timeout", "8s", "--tunnel-drain-timeout", "9s", "--max-header-bytes", "2048",
            "--max-headers", "20", "--max-target-bytes", "512", "--max-body", "10M", "--max-connections", "100",
            "--max-streams", "30",
            "--retry-idempotency-keys",
        ])
        var expected = GatewayConfiguration()
        expected.trustedProxies = ["10.0.0.0/8", "fd00::1"].compactMap { AddressBlock($0) }
        expected.keepsRequestIDs = true
        expected.instanceHeaders = .id
        expected.timeouts.header = .seconds(1)
        expected.timeouts.handshake = .seconds(1)
        expected.timeouts.bodyIdle = .seconds(2)
        expected.timeouts.connect = .seconds(3)
        expected.timeouts.firstByte = .zero
        expected.timeouts.responseIdle = .seconds(5)
        expected.timeouts.request = .seconds(6)
        expected.timeouts.keepAlive = .seconds(7)
        expected.timeouts.tunnelIdle = .seconds(8)
        expected.timeouts.tunnelDrain = .seconds(9)
        expected.limits.head.head = 2048
        expected.limits.head.field = 2048
        expected.limits.head.fields = 20
        expected.limits.head.target = 512
        expected.limits.body = 10 << 20
        expected.limits.connections = 100
        expected.limits.streams = 30
        expected.limits.connectionsPerClient = 50
        expected.repeatsIdempotencyKeys = true
        #expect(command.proxy.configuration == expected)
        #expect(command.proxy.accessLogConfiguration == nil)
    }

    @Test func `without flags the gateway is as its configuration's defaults say`() throws {
        #expect(try ServeCommand.parse(["demo"]).proxy.configuration == GatewayConfiguration())
    }

    @Test func `the access log goes where it is told`() throws {
        let plain = try ServeCommand.parse(["demo", "--access-log", "common"])
        var expected = AccessLogConfiguration()
        expected.format = .common
        #expect(plain.proxy.accessLogConfiguration == expected)
        let file = try ServeCommand.parse([
            "demo", "--access-log", "json", "--access-log-file", "/a/b", "--access-log-query",
        ])
        expected.format = .json
        expected.destination = .file("/a/b")
        expected.showsQuery = true
        #expect(file.proxy.accessLogConfiguration == expected)
        #expect(!file.proxy.logsToTerminal)
    }

    @Test(arguments: [
        ["--trusted-proxy", "10.0.0.0/33"], ["--trusted-proxy", "host"], ["--instance-headers", "some"],
        ["--header-timeout", "0"], ["--body-timeout", "0"], ["--connect-timeout", "0"], ["--keep-alive-timeout", "0"],
        ["--max-header-bytes", "100"], ["--max-headers", "0"], ["--max-target-bytes", "8"],
        ["--max-header-bytes", "1024"], ["--max-connections", "0"], ["--max-connections-per-client", "0"],
        ["--access-log", "xml"], ["--access-log-file", "/a"], ["--access-log-query"],
    ])
    func `what makes no sense is refused`(_ flags: [String]) {
        #expect(throws: (any Error).self) { _ = try ServeCommand.parse(["demo"] + flags) }
    }
}
