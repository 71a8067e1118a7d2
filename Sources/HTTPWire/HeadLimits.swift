/// What a message head may cost, in bytes and fields.
package struct HeadLimits: Sendable, Equatable {
    /// Bytes of a request target. Above: 414.
    package var target = 8 * 1024
    /// Bytes of one field line. Above: 431.
    package var field = 16 * 1024
    /// Bytes of a whole head. Above: 431.
    package var head = 64 * 1024
    /// Field lines. Above: 431.
    package var fields = 128

    package init() {}

    /// Bytes of a method; the longest registered one has 17.
    static let method = 24
}
