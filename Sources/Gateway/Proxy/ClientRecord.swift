import HTTPWire
import NIOCore

/// How the answer to a request has gone so far, as the access log will tell it.
struct ResponseStory {
    var status = 0
    /// Bytes of the final head.
    var headBytes = 0
    /// What the connection had been sent before this request.
    var writtenBefore = 0
    var instance: [UInt8] = []
    /// The first thing that went wrong.
    private(set) var error: String?

    init(writtenBefore: Int = 0) { self.writtenBefore = writtenBefore }

    mutating func note(_ failure: ProxyFailure) {
        if error == nil { error = failure.label }
    }
}

/// The connection's side of the access log: one line for each request, when it is over.
extension ClientHandler {
    /// Keeps what the log will need of the head in `pending`. Costs nothing without a log.
    func beginNote(_ fields: HeadFields) {
        guard let log = worker.accessLog else { return }
        beginNote()
        guard let note else { return }
        note.take(head, pending, isStream: transport.isStream, showsQuery: log.showsQuery)
        if head.traceParent.isEmpty, head.requestID.isEmpty {
            note.take(traceID: requestID)
        } else if head.traceParent.isEmpty {
            var digits: [UInt8] = []
            // The trace that is made here has the id that the request would have.
            worker.identifiers.write(into: &digits)
            note.take(traceID: digits)
        } else {
            pending.withUnsafeReadableBytes { bytes in
                note.take(traceID: bytes[head.traceParent].dropFirst(3).prefix(32))
                return
            }
        }
        if peer.isTrusted, let client = ForwardedClient.address(fields, pending, worker.configuration.trustedProxies) {
            note.take(client: client)
        }
    }

    /// A note of a request whose head cannot be read.
    func beginNote() {
        guard let log = worker.accessLog else { return }
        story = ResponseStory(writtenBefore: writtenBytes)
        let note = self.note ?? log.note()
        note.reset(client: address, requestID: requestID)
        self.note = note
    }

    /// What `startExchange` would have done for a head that is none.
    func noteMalformed() {
        worker.identifiers.next(into: &requestID)
        began = Worker.now()
        (queued, started, answered, granted, sent, attempts, bodyBytes) = (0, 0, 0, 0, 0, 0, 0)
        head = RequestHead()
        beginNote()
    }

    /// Writes the line, once. `whenOpen` names the reason if the exchange is not over.
    func record(whenOpen reason: String? = nil) {
        guard let note, let log = worker.accessLog else { return }
        self.note = nil
        let now = Worker.now()
        var outcome = AccessOutcome()
        outcome.status = story.status == 0 ? 499 : story.status
        outcome.bytesIn = UInt64(head.length) + bodyBytes
        outcome.bytesOut = UInt64(max(0, writtenBytes - story.writtenBefore))
        outcome.headBytes = UInt64(story.headBytes)
        outcome.total = (now &- began) / 1000
        if answered != 0 {
            outcome.startKind = startKind
            outcome.queue = queued
            outcome.start = started
            outcome.connect = granted == 0 ? 0 : (sent &- granted) / 1000
            outcome.app = (answered &- sent) / 1000
            outcome.instance = story.instance
        }
        outcome.error = story.error ?? reason
        outcome.retries = attempts
        log.record(note, outcome, at: now)
    }
}

/// The client that trusted proxies speak for.
enum ForwardedClient {
    /// The last address in X-Forwarded-For that no trusted proxy has, for each added the one it was connected to.
    static func address(_ fields: HeadFields, _ buffer: ByteBuffer, _ trusted: [AddressBlock]) -> [UInt8]? {
        var found: [UInt8]?
        buffer.withUnsafeReadableBytes { bytes in
            for line in fields.values(of: .forwardedFor).reversed() {
                for element in bytes[line].split(separator: 0x2c).reversed() {
                    let text = String(decoding: element, as: UTF8.self).filter { $0 != " " && $0 != "\t" }
                    guard let address = AddressBlock.parse(text) else { return }
                    found = Array(text.utf8)
                    if !trusted.contains(where: { $0.contains(address) }) { return }
                }
            }
        }
        return found
    }
}
