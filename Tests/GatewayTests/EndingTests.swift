import NIOConcurrencyHelpers
import Testing

@testable import Gateway

/// Ends that come in the middle of something.
@Suite(.timeLimit(.minutes(1))) struct EndingTests {
    @Test func `a connection that is there already is asked for once`() async throws {
        let questions = NIOLockedValueBox(0)
        try await withGateway { _, _ in
            [ok("x")]
        } connector: {
            DeadConnector(inner: $0, times: 0, questions: questions)
        } _: { fixture in
            let response = try await fixture.ask(get("/"))
            #expect(response.hasSuffix("x"))
            #expect(questions.withLockedValue { $0 } == 1)
        }
    }
}
