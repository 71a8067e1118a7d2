import HTTPWire
import NIOCore

/// What a request asked for, kept until it is answered: its head is gone by then. Reused from request to request.
final class AccessNote {
    /// The values one behind the other, as they came.
    private(set) var bytes = ByteBuffer()
    private(set) var method = 0..<0
    private(set) var path = 0..<0
    private(set) var host = 0..<0
    private(set) var userAgent = 0..<0
    private(set) var referer = 0..<0
    private(set) var client = 0..<0
    private(set) var requestID = 0..<0
    private(set) var traceID = 0..<0
    private(set) var version: StaticString = "HTTP/1.1"

    /// Longer values are cut: a line says what was asked, it is no archive.
    private static let longest = 2048

    /// Forgets the last request. Storage that a long one needed is not kept.
    func reset(client address: [UInt8], requestID id: [UInt8]) {
        if bytes.capacity > 4096 { bytes = ByteBuffer() } else { bytes.clear() }
        (method, path, host, userAgent, referer, traceID) = (0..<0, 0..<0, 0..<0, 0..<0, 0..<0, 0..<0)
        version = "HTTP/1.1"
        client = append(address)
        requestID = append(id)
    }

    func take(_ head: RequestHead, _ source: ByteBuffer, isStream: Bool, showsQuery: Bool) {
        version = isStream ? "HTTP/2.0" : head.isHTTP11 ? "HTTP/1.1" : "HTTP/1.0"
        source.withUnsafeReadableBytes { source in
            method = append(source, head.methodRange)
            path = append(source, showsQuery ? head.target : Self.withoutQuery(source, head.target))
            host = append(source, head.authority)
            userAgent = append(source, head.userAgent)
            referer = append(source, showsQuery ? head.referer : Self.withoutQuery(source, head.referer))
        }
    }

    func take(traceID text: some Collection<UInt8>) { traceID = append(text) }

    func take(client text: some Collection<UInt8>) { client = append(text) }

    private func append(_ source: UnsafeRawBufferPointer, _ range: Range<Int>) -> Range<Int> {
        append(UnsafeRawBufferPointer(rebasing: source[range.prefix(Self.longest)]))
    }

    private func append(_ text: some Collection<UInt8>) -> Range<Int> {
        let start = bytes.readableBytes
        bytes.writeBytes(text)
        return start..<bytes.readableBytes
    }

    private static func withoutQuery(_ source: UnsafeRawBufferPointer, _ range: Range<Int>) -> Range<Int> {
        range.lowerBound..<(source[range].firstIndex(of: 0x3f) ?? range.upperBound)
    }
}
