import Testing

@Suite(.serialized) struct HTTP2CorpusTests {
    @Test(arguments: HTTP2Corpus.all) func `each frame has the outcome its rule asks for`(_ item: HTTP2Case)
        async throws
    {
        try await withGateway({ request, _ in [ok(request.hasPrefix("HEAD") ? "" : "fine")] }) { fixture in
            let client = try await FrameClient.connect(fixture.port, on: fixture.group)
            do { try await client.send(item.frames) } catch {}  // floods may be cut off before the last frame
            switch item.outcome {
            case .forwards(let lines, let absent):
                let result = try await client.result()
                #expect(result.status == 200, "\(result)")
                let request = fixture.app.seen.requests.joined()
                for line in lines { #expect(request.contains(line), "no \(line) in \(request)") }
                for line in absent { #expect(!request.contains(line), "\(line) in \(request)") }
            case .refuses(let status):
                let result = try await client.result()
                #expect(result.status == status, "\(result)")
                #expect(result.field("x-fcctl-error") != nil && result.field("x-request-id") != nil)
                #expect(fixture.app.seen.requests.isEmpty)
            case .malformed:
                let result = try await client.result()
                #expect(
                    result.reset == 1 || [400, 501].contains(result.status),
                    "\(result) \(String(describing: client.goodbye))")
                #expect(fixture.app.seen.requests.isEmpty)
            case .resets(let code):
                let result = try await client.result()
                #expect(result.reset == code, "\(result)")
                #expect(result.status == nil)
            case .ends(let codes):
                try await client.readAll()
                let code = try #require(client.goodbye?.code, "no GOAWAY")
                #expect(codes.contains(code), "GOAWAY with \(code)")
                #expect(client.isClosed)
            case .ignored:
                try await client.send(.headers(h2(), stream: 21))
                #expect(try await client.result(of: 21).status == 200)
            }
            try await client.raw.close()
            #expect(try await fixture.isAtRest())
        }
    }

    @Test func `there are at least a hundred cases, and no two of one name`() {
        #expect(HTTP2Corpus.all.count >= 100)
        #expect(Set(HTTP2Corpus.all.map(\.name)).count == HTTP2Corpus.all.count)
    }
}
