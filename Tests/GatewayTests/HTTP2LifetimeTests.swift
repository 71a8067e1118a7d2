import Testing

@testable import Gateway

@Suite(.serialized) struct HTTP2LifetimeTests {
    private func connect(_ fixture: Fixture) async throws -> FrameClient {
        try await FrameClient.connect(fixture.port, on: fixture.group)
    }

    @Test func `a drain says goodbye and finishes what it has`() async throws {
        try await withGateway({ _, _ in [.wait(.milliseconds(300)), ok("done")] }) { fixture in
            let client = try await connect(fixture)
            try await client.send(.headers(h2()))
            #expect(try await fixture.eventually { fixture.app.seen.requests.count == 1 })
            async let drained: Void = fixture.gateway.drain(deadline: .seconds(5))
            let result = try await client.result()
            #expect(result.text == "done" && result.ended)
            try await client.readAll()
            #expect(client.goodbye?.code == 0)
            await drained
            #expect(client.raw.wasReset == false)
        }
    }

    @Test func `a connection that nobody uses is closed with a goodbye`() async throws {
        try await withGateway(
            { _, _ in [ok("")] },
            configure: { gateway, _ in
                gateway.timeouts.keepAlive = .milliseconds(100)
            }
        ) { fixture in
            let client = try await connect(fixture)
            try await client.send(.headers(h2()))
            _ = try await client.result()
            try await client.readAll()
            #expect(client.goodbye?.code == 0)
        }
    }

    @Test func `a client that never answers the last call is told goodbye and closed`() async throws {
        try await withGateway(
            { _, _ in [ok("")] },
            configure: { gateway, _ in
                gateway.timeouts.keepAlive = .milliseconds(100)
            }
        ) { fixture in
            let client = try await connect(fixture)
            client.acknowledges = false
            try await client.send(.headers(h2()))
            _ = try await client.result()
            try await client.readAll()
            #expect(client.goodbye?.code == 0 && client.goodbye?.lastStream == 1)
        }
    }

    @Test func `a connection that says nothing after its preface is closed`() async throws {
        try await withGateway(
            { _, _ in [ok("")] },
            configure: { gateway, _ in
                gateway.timeouts.header = .milliseconds(100)
            }
        ) { fixture in
            let client = try await FrameClient.connect(fixture.port, on: fixture.group)
            try await client.readAll()
            #expect(client.isClosed)
        }
    }
}
