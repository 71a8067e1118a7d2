import NIOConcurrencyHelpers

/// The way of one machine's slot back to where it was taken from. Used at most once, however often a machine is ended:
/// by then the slot may be another machine's.
package final class SlotReturn: Sendable {
    private let body: NIOLockedValueBox<(@Sendable () -> Void)?>

    /// `body` may block for a moment.
    package init(_ body: @escaping @Sendable () -> Void) {
        self.body = NIOLockedValueBox(body)
    }

    func callAsFunction() {
        let body = body.withLockedValue { body in
            defer { body = nil }
            return body
        }
        body?()
    }
}
