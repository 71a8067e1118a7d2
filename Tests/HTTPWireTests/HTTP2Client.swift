@testable import HTTPWire

/// Frames as a client of HTTP/2 sends them.
enum ClientFrames {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    static let opening = preface + frame(4, 0, 0)

    static func frame(_ kind: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8] = []) -> [UInt8] {
        var out = WireBuffer()
        out.append(FrameHeader(length: payload.count, kind: kind, flags: flags, stream: stream))
        payload.withUnsafeBytes { out.append($0) }
        return Array(out.bytes)
    }

    static func number(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }

    /// Fields as literals that enter no table, unless `enters` says so.
    static func block(_ fields: [(String, String)], enters: Bool = false) -> [UInt8] {
        fields.flatMap { [enters ? 0x40 : 0] + string($0.0) + string($0.1) }
    }

    private static func string(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
        let rest = bytes.count - 127
        return [127, UInt8(rest & 127) | 128, UInt8(rest >> 7)] + bytes
    }

    static func get(_ path: String = "/", _ fields: [(String, String)] = []) -> [(String, String)] {
        [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "app")] + fields
    }

    static func request(_ stream: UInt32, ends: Bool = true, _ fields: [(String, String)] = get()) -> [UInt8] {
        frame(1, ends ? 5 : 4, stream, block(fields))
    }
}

/// A session with what came of its frames.
struct HTTP2Run: ~Copyable {
    var session: HTTP2Session
    private(set) var events: [String] = []
    private(set) var error: HTTP2ErrorCode?
    private(set) var sent: [UInt8] = []
    private var pending: [UInt8] = []

    init(streams: Int = 100) {
        var settings = HTTP2Settings()
        settings.streams = streams
        session = HTTP2Session(settings, scratch: HTTP2Scratch(), now: 1)
    }

    /// Shows bytes as they would come; `answer` is asked after each event.
    mutating func receive(
        _ bytes: [UInt8], _ answer: (HTTP2Session.Event, inout HTTP2Session) -> Void = { _, _ in }
    ) {
        pending += bytes
        var at = 0
        while error == nil {
            let shown = pending
            let event: Result<HTTP2Session.Event?, HTTP2Error> = shown.withUnsafeBytes { bytes in
                do throws(HTTP2Error) { return .success(try session.next(bytes, &at)) } catch {
                    return .failure(error)
                }
            }
            switch event {
            case .failure(let failure): error = failure.code
            case .success(nil):
                pending.removeFirst(at)
                return
            case .success(let event?):
                var line = "\(event)"
                switch event {
                case .request, .trailers: line += String(decoding: session.scratch.text.bytes, as: UTF8.self)
                case .data(let stream, let range, let ends):
                    line = "data(\(stream), \(ends)) \(String(decoding: shown[range], as: UTF8.self))"
                default: break
                }
                events.append(line)
                answer(event, &session)
            }
        }
    }

    /// Takes what the session has said so far.
    mutating func take() -> [SentFrame] {
        sent += Array(session.out.bytes)
        session.out.release()
        defer { sent = [] }
        return SentFrame.split(sent)
    }
}

struct SentFrame: Equatable {
    var kind: UInt8
    var flags: UInt8
    var stream: UInt32
    var payload: [UInt8]

    /// Empty, and with a lone frame of kind 255 at its end, where the bytes are no whole frames.
    static func split(_ bytes: [UInt8]) -> [SentFrame] {
        var frames: [SentFrame] = []
        var at = 0
        while at < bytes.count {
            guard at + FrameHeader.size <= bytes.count else { return frames + [broken] }
            let header = bytes.withUnsafeBytes { FrameHeader($0, at: at) }
            at += FrameHeader.size
            guard at + header.length <= bytes.count else { return frames + [broken] }
            frames.append(
                SentFrame(
                    kind: header.kind, flags: header.flags, stream: header.stream,
                    payload: Array(bytes[at..<(at + header.length)])))
            at += header.length
        }
        return frames
    }

    private static let broken = SentFrame(kind: 255, flags: 0, stream: 0, payload: [])
}
