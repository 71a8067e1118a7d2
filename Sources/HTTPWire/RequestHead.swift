/// How the end of a body is found.
package enum BodyFraming: Sendable, Equatable {
    case none
    case length(UInt64)
    case chunked
    /// Responses only: the body ends with the connection.
    case untilClose
}

/// Methods that a proxy treats in ways of their own.
package enum RequestMethod: Sendable, Equatable {
    case get, head, options, put, delete
    /// POST, PATCH and whatever else: forwarded, never repeated.
    case other

    /// Asked twice, it has the same effect as asked once (RFC 9110 9.2.2).
    package var isIdempotent: Bool { self != .other }
}

/// A request head as offsets into the bytes it was read from. Plain numbers: copying it costs nothing.
package struct RequestHead: Sendable {
    package var method = RequestMethod.other
    package var isHTTP11 = true
    package var framing = BodyFraming.none
    /// The client would send another request on this connection.
    package var keepsAlive = true
    package var expectsContinue = false
    /// The client asks for another protocol, which is offered to the machine.
    package var wantsUpgrade = false
    package var takesTrailers = false
    /// The client is a browser: errors are shown as a page.
    package var prefersHTML = false
    /// Bytes from the start of the buffer to the end of the head.
    package var length = 0

    package var methodRange = 0..<0
    /// In origin form; `*` for OPTIONS. Empty for an absolute form without a path, which means `/`.
    package var target = 0..<0
    /// Host and port as the client means them: from an absolute target, else from Host. Empty when HTTP/1.0 names none.
    package var authority = 0..<0
    package var requestID = 0..<0
    /// A valid `traceparent`; empty if there is none.
    package var traceParent = 0..<0
    package var userAgent = 0..<0
    package var referer = 0..<0
    /// The client says that the request may be sent again.
    package var hasIdempotencyKey = false
    package var upgrade = 0..<0
    package var maxForwards: UInt64?
    /// The target held the authority, so Host is written anew.
    var isAbsolute = false
    /// OPTIONS with an absolute form without path and query is `*` (RFC 9112 3.2.4).
    var isAsterisk = false

    var hasHost = false
    var hasTraceParent = false
    var hasTraceState = false
    var hasLength = false
    var hasCoding = false
    var coding = CodingList.Verdict.chunked
    var connection = ConnectionOptions()

    package init() {}
}

/// What a Connection field says.
struct ConnectionOptions: Sendable {
    var close = false
    var keepAlive = false
    var upgrade = false
    /// Lists names other than those above, which are to be dropped.
    var lists = false

    mutating func read(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int) {
        var list = ListCursor(bytes, start, end)
        while let element = list.next() {
            if list.matches(element, "close") {
                close = true
            } else if list.matches(element, "keep-alive") {
                keepAlive = true
            } else if list.matches(element, "upgrade") {
                upgrade = true
            } else if !element.isEmpty, !list.matches(element, "te") {
                lists = true
            }
        }
    }
}

/// The verdict on a Transfer-Encoding value.
enum CodingList {
    enum Verdict: Sendable { case chunked, unknown, malformed }

    static func judge(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Verdict {
        if matches(bytes, start..<end, "chunked") { return .chunked }
        var list = ListCursor(bytes, start, end)
        var sawChunked = false
        while let element = list.next() {
            if element.isEmpty || sawChunked { return .malformed }
            if list.matches(element, "chunked") { sawChunked = true }
        }
        return .unknown
    }
}

/// A Content-Length value: digits only, and small enough to count with.
func parseLength(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> UInt64? {
    guard start < end else { return nil }
    var value: UInt64 = 0
    for index in start..<end {
        let digit = bytes[index] &- Octet.zero
        guard digit < 10, value < UInt64(Int64.max) / 10 else { return nil }
        value = value * 10 + UInt64(digit)
    }
    return value
}
