import Testing

@testable import Gateway

@Suite(.serialized) struct GRPCTests {
    private func connect(_ fixture: Fixture) async throws -> FrameClient {
        try await FrameClient.connect(fixture.port, on: fixture.group)
    }

    private static let call = [("content-type", "application/grpc"), ("te", "trailers")]

    @Test func `a call that finds no instance is told so in grpc-status`() async throws {
        try await withGateway({ _, _ in [.close] }) { fixture in
            let client = try await connect(fixture)
            try await client.send(.headers(h2("POST", "/s/m", Self.call), flags: 4), .data("\0\0\0\0\0"))
            let result = try await client.result()
            #expect(result.heads.count == 1 && result.status == 200 && result.body.isEmpty && result.ended)
            #expect(result.field("grpc-status") == "14")
            #expect(result.field("content-type") == "application/grpc")
            #expect(result.field("x-request-id") != nil)
        }
    }

    @Test func `a call whose instance dies ends with grpc-status 14 in its trailers`() async throws {
        try await withGateway({ _, _ in
            [
                .send("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n"),
                .send("4\r\nhalf\r\n"), .close,
            ]
        }) { fixture in
            let client = try await connect(fixture)
            try await client.send(.headers(h2("POST", "/s/m", Self.call), flags: 4), .data("\0\0\0\0\0"))
            let result = try await client.result()
            #expect(result.text == "half" && result.status == 200)
            #expect(result.field("grpc-status") == "14")
            #expect(try await fixture.isAtRest())
        }
    }
}
