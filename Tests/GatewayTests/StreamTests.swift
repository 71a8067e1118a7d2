import Gateway
import MachinePool
import NIOCore
import Testing

@Suite(.timeLimit(.minutes(1))) struct StreamTests {
    @Test func `an event passes at once, whatever else waits`() async throws {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        try await withGateway { _, _ in
            [.send(head)]
                + (0..<40).flatMap { [.wait(.milliseconds(5)), .send("a\r\ndata: \(10 + $0)\n\n\r\n")] }
                + [.wait(.seconds(60))]
        } _: { fixture in
            let client = try await fixture.client()
            try await client.send(get("/"))
            var late: [Duration] = []
            var sent = 0
            _ = try await client.read(until: "\r\n\r\n")
            while sent < 40 {
                let event = try await client.read(until: "\n\n\r\n")
                #expect(event.contains("data: \(10 + sent)"))
                sent += 1
                if let last = fixture.app.seen.lastSend { late.append(ContinuousClock.now - last) }
            }
            late.sort()
            #expect(late[20] < .milliseconds(10), "\(late)")
            try await client.reset()
            #expect(try await fixture.isAtRest())
        }
    }
}
