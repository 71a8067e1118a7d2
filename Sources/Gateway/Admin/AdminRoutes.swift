import HTTPWire
import MachinePool
import NIOConcurrencyHelpers
import NIOCore

/// The read-only management paths, for people and programs on this machine.
///
/// They answer only while the gateway listens on loopback and is asked for by a loopback name: a page that a guest serves
/// may reach the port, but under the name the browser gave it. Every other request for these paths goes to the app.
final class AdminRoutes: Sendable {
    let pool: Pool
    let feed: EventFeed
    private let census: NIOLockedValueBox<ConnectionCensus>
    private let log: AccessLogWriter?
    private let certificates: CertificateStore?

    init(
        pool: Pool, feed: EventFeed, census: NIOLockedValueBox<ConnectionCensus>, log: AccessLogWriter?,
        certificates: CertificateStore?
    ) {
        self.pool = pool
        self.feed = feed
        self.census = census
        self.log = log
        self.certificates = certificates
    }

    /// Whether a request is for a path of ours under a loopback name.
    func wants(_ head: RequestHead, _ buffer: ByteBuffer) -> Bool {
        guard head.target.count >= 11 else { return false }
        return buffer.withUnsafeReadableBytes { bytes in
            let path = UnsafeRawBufferPointer(rebasing: bytes[head.target])
            // Most paths differ in their second letter.
            guard path[1] == UInt8(ascii: "a"), path.starts(with: "/api/".utf8), AdminPath(path) != nil else {
                return false
            }
            return LoopbackName.matches(UnsafeRawBufferPointer(rebasing: bytes[head.authority]))
        }
    }

    /// The JSON of a path.
    func document(_ path: AdminPath) -> String {
        let status = pool.status()
        if path == .instances { return EventFeed.json(status.machines) + "\n" }
        let (open, refused) = census.withLockedValue { ($0.total, $0.refused) }
        let gateway = GatewayStatus(
            connections: open, refusedConnections: refused, accessLog: log?.counts, tls: certificates?.status)
        return EventFeed.json(StatusDocument(pool: status, gateway: gateway)) + "\n"
    }

    func unsubscribe(_ client: ClientHandler) { feed.unsubscribe(ObjectIdentifier(client)) }
}

enum AdminPath {
    case status, instances, events

    /// Nil for a path that is not one of ours; a query does not matter.
    init?(_ target: UnsafeRawBufferPointer) {
        let path = target.prefix { $0 != 0x3f }
        if path.elementsEqual("/api/status".utf8) {
            self = .status
        } else if path.elementsEqual("/api/instances".utf8) {
            self = .instances
        } else if path.elementsEqual("/api/events".utf8) {
            self = .events
        } else {
            return nil
        }
    }
}

/// A management request, taken out of its bytes before they are gone.
struct AdminRequest {
    let path: AdminPath?
    let method: RequestMethod

    init(_ head: RequestHead, _ buffer: ByteBuffer) {
        path = buffer.withUnsafeReadableBytes { AdminPath(UnsafeRawBufferPointer(rebasing: $0[head.target])) }
        method = head.method
    }
}

/// Host values that name this machine to itself.
enum LoopbackName {
    static func matches(_ authority: UnsafeRawBufferPointer) -> Bool {
        var name = String(decoding: authority, as: UTF8.self).lowercased()
        if name.hasPrefix("[") {
            guard let end = name.firstIndex(of: "]") else { return false }
            return name[..<end] == "[::1"
        }
        if let colon = name.firstIndex(of: ":") { name = String(name[..<colon]) }
        if name.hasSuffix(".") { name.removeLast() }
        if name == "localhost" || name.hasSuffix(".localhost") { return true }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}
