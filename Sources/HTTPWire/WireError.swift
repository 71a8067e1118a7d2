/// A rule of RFC 9110 or 9112 that a message breaks. What a client broke has a `status`; a machine's is always 502.
package enum WireError: String, Error, Sendable, CaseIterable, CustomStringConvertible {
    case malformedRequestLine = "malformed-request-line"
    case malformedTarget = "malformed-target"
    case targetTooLong = "target-too-long"
    case methodTooLong = "method-too-long"
    case unsupportedVersion = "unsupported-version"
    case connectRefused = "connect-refused"
    case traceRefused = "trace-refused"
    case malformedStatusLine = "malformed-status-line"
    case unexpectedStatus = "unexpected-status"
    case malformedFieldName = "malformed-field-name"
    case spaceBeforeColon = "space-before-colon"
    case foldedField = "folded-field"
    case controlByte = "control-byte"
    case bareLineFeed = "bare-line-feed"
    case bareCarriageReturn = "bare-carriage-return"
    case fieldTooLarge = "field-too-large"
    case headTooLarge = "head-too-large"
    case tooManyFields = "too-many-fields"
    case missingHost = "missing-host"
    case repeatedHost = "repeated-host"
    case malformedHost = "malformed-host"
    case malformedLength = "malformed-content-length"
    case repeatedLength = "repeated-content-length"
    case conflictingFraming = "conflicting-framing"
    case malformedCoding = "malformed-transfer-encoding"
    case unknownCoding = "unknown-transfer-coding"
    case codingOnHTTP10 = "transfer-encoding-on-http-1.0"
    case unknownExpectation = "unknown-expectation"
    case malformedChunk = "malformed-chunk"
    case chunkOverhead = "chunk-overhead"
    case forbiddenTrailer = "forbidden-trailer"
    case bodyTooLarge = "body-too-large"

    /// The status for a client that broke the rule.
    package var status: Int {
        switch self {
        case .targetTooLong: 414
        case .fieldTooLarge, .headTooLarge, .tooManyFields: 431
        case .methodTooLong, .unknownCoding, .connectRefused: 501
        case .traceRefused: 405
        case .unsupportedVersion: 505
        case .unknownExpectation: 417
        case .bodyTooLarge: 413
        default: 400
        }
    }

    package var description: String {
        switch self {
        case .malformedRequestLine: "The request line is not METHOD, target and version with one space between each."
        case .malformedTarget: "The request target is not one that the method allows, or holds a forbidden character."
        case .targetTooLong: "The request target is longer than this server accepts."
        case .methodTooLong: "The method is longer than this server accepts."
        case .unsupportedVersion: "Only HTTP/1.0 and HTTP/1.1 are spoken here."
        case .connectRefused: "CONNECT is not offered."
        case .traceRefused: "TRACE is not offered."
        case .malformedStatusLine: "The status line is malformed."
        case .unexpectedStatus: "The status does not fit the request it answers."
        case .malformedFieldName: "A header field has no valid name followed by a colon."
        case .spaceBeforeColon: "A header field has white space before its colon."
        case .foldedField: "A header field continues on a second line."
        case .controlByte: "A header field holds a control character."
        case .bareLineFeed: "A line ends in LF without CR."
        case .bareCarriageReturn: "A CR is not followed by LF."
        case .fieldTooLarge: "One header field is larger than this server accepts."
        case .headTooLarge: "The header fields together are larger than this server accepts."
        case .tooManyFields: "There are more header fields than this server accepts."
        case .missingHost: "HTTP/1.1 requires a Host field."
        case .repeatedHost: "There is more than one Host field."
        case .malformedHost: "The Host field or the target's authority is not a host with an optional port."
        case .malformedLength: "Content-Length is not a number that can be counted to."
        case .repeatedLength: "There is more than one Content-Length."
        case .conflictingFraming: "Content-Length and Transfer-Encoding exclude each other."
        case .malformedCoding: "Transfer-Encoding must be exactly one chunked."
        case .unknownCoding: "The only transfer coding known here is chunked."
        case .codingOnHTTP10: "HTTP/1.0 has no Transfer-Encoding."
        case .unknownExpectation: "The only expectation known here is 100-continue."
        case .malformedChunk: "The chunked body is malformed."
        case .chunkOverhead: "The chunked body has more extensions than data."
        case .forbiddenTrailer: "A trailer field would change how the message is read."
        case .bodyTooLarge: "The body is larger than this server accepts."
        }
    }
}
