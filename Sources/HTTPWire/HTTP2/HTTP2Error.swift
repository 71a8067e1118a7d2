/// What ended a stream or a connection (RFC 9113 7).
package enum HTTP2ErrorCode: UInt32, Sendable {
    case none = 0
    case protocolError, internalError, flowControl, settingsTimeout, streamClosed, frameSize, refusedStream, cancel
    case compression, connect, enhanceYourCalm, inadequateSecurity, http11Required
}

/// A rule that the connection as a whole cannot outlive: GOAWAY with this code is its last frame.
package struct HTTP2Error: Error, Sendable, Equatable {
    package let code: HTTP2ErrorCode

    package init(_ code: HTTP2ErrorCode) { self.code = code }
}
