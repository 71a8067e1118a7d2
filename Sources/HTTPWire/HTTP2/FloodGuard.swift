/// Frames that cost the gateway work and the client nothing: so many in a span, and no more (RFC 9113 10.5).
struct FloodGuard: Sendable {
    private let limit: Int
    private let span: UInt64
    private var began: UInt64 = 0
    private var count = 0

    /// `span` in nanoseconds.
    init(_ limit: Int, in span: UInt64) {
        self.limit = limit
        self.span = span
    }

    /// One more at `now`, nanoseconds on any clock that does not go back.
    mutating func note(now: UInt64) throws(HTTP2Error) {
        if now &- began >= span { (began, count) = (now, 0) }
        count += 1
        if count > limit { throw HTTP2Error(.enhanceYourCalm) }
    }
}
