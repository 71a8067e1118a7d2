/// The field names a proxy must know. Everything else passes as it came.
package enum FieldName: UInt8, Sendable {
    case other
    case host, contentLength, transferEncoding, connection, upgrade, expect, te, trailer
    /// Keep-Alive, Proxy-Connection, Proxy-Authenticate, Proxy-Authorization, HTTP2-Settings.
    case hopByHop
    case forwardedFor, forwardedHost, forwardedProto, forwardedPort
    /// Any further X-Forwarded-* name.
    case forwardedOther
    case forwarded, realIP, requestID, via, maxForwards
    /// X-Instance-*, X-Latency-Ms, X-Start-Type, X-Fcctl-Error: only the gateway says these.
    case instance
    case accept, authorization, date
    case traceParent, traceState, idempotencyKey
    /// Only for the access log.
    case userAgent, referer

    /// Names that a Connection field cannot strip: routing, framing and identity rest on them.
    var isProtected: Bool {
        switch self {
        case .host, .contentLength, .transferEncoding, .authorization, .forwardedFor, .forwardedHost, .forwardedProto,
            .forwardedPort, .forwardedOther, .forwarded, .realIP, .requestID, .via, .date:
            true
        default: false
        }
    }

    /// The kind of a name; `name` holds only token characters.
    static func classify(_ name: UnsafePointer<UInt8>, _ length: Int) -> FieldName {
        func matches(_ text: StaticString) -> Bool {
            let other = text.utf8Start
            for index in 0..<length where name[index] | 0x20 != other[index] { return false }
            return true
        }
        switch length {
        case 2: return matches("te") ? .te : .other
        case 3: return matches("via") ? .via : .other
        case 4:
            if matches("host") { return .host }
            return matches("date") ? .date : .other
        case 6:
            if matches("accept") { return .accept }
            return matches("expect") ? .expect : .other
        case 7:
            if matches("upgrade") { return .upgrade }
            if matches("trailer") { return .trailer }
            return matches("referer") ? .referer : .other
        case 9:
            if matches("forwarded") { return .forwarded }
            return matches("x-real-ip") ? .realIP : .other
        case 10:
            if matches("connection") { return .connection }
            if matches("user-agent") { return .userAgent }
            if matches("tracestate") { return .traceState }
            return matches("keep-alive") ? .hopByHop : .other
        case 11:
            if matches("traceparent") { return .traceParent }
        case 12:
            if matches("x-request-id") { return .requestID }
            if matches("max-forwards") { return .maxForwards }
            if matches("x-latency-ms") || matches("x-start-type") { return .instance }
        case 13:
            if matches("authorization") { return .authorization }
            if matches("x-fcctl-error") { return .instance }
        case 14:
            if matches("content-length") { return .contentLength }
            if matches("http2-settings") { return .hopByHop }
        case 15:
            if matches("x-forwarded-for") { return .forwardedFor }
            if matches("idempotency-key") { return .idempotencyKey }
        case 16:
            if matches("x-forwarded-host") { return .forwardedHost }
            if matches("x-forwarded-port") { return .forwardedPort }
            if matches("proxy-connection") { return .hopByHop }
        case 17:
            if matches("transfer-encoding") { return .transferEncoding }
            if matches("x-forwarded-proto") { return .forwardedProto }
        case 18:
            if matches("proxy-authenticate") { return .hopByHop }
        case 19:
            if matches("proxy-authorization") { return .hopByHop }
        default: break
        }
        guard length > 11, name[0] | 0x20 == 0x78 else { return .other }
        if prefix(name, "x-instance-") { return .instance }
        return prefix(name, "x-forwarded-") ? .forwardedOther : .other
    }

    private static func prefix(_ name: UnsafePointer<UInt8>, _ text: StaticString) -> Bool {
        for index in 0..<text.utf8CodeUnitCount where name[index] | 0x20 != text.utf8Start[index] { return false }
        return true
    }
}
