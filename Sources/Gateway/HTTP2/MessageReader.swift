import HTTPWire
import NIOCore
import NIOHPACK

/// Takes apart what this gateway writes as HTTP/1.1, for a stream of HTTP/2: requests to machines, responses to clients.
struct MessageReader {
    enum Part {
        /// `ends`: there is no body.
        case head(MessageLines, ends: Bool)
        case data(ByteBuffer, ends: Bool)
        case trailers(HPACKHeaders)
    }

    private enum State {
        case head, body, done
    }

    private let framing: (MessageLines) -> BodyFraming?
    private var state = State.head
    private var body = BodyDecoder(.none)
    private var isChunked = false
    private var pending = ByteBuffer()
    private var fields = HeadFields()

    /// `framing` tells how the body behind a head ends; nil for an informational one, which another head follows.
    init(framing: @escaping (MessageLines) -> BodyFraming?) {
        self.framing = framing
    }

    /// The head of the message itself has come.
    private(set) var hasHead = false
    var isComplete: Bool { state == .done }
    /// The body has no end but that of the stream.
    var endsWithClose: Bool { state == .body && body.endsWithClose }

    /// Takes bytes, and returns what they hold.
    mutating func take(_ bytes: ByteBuffer) -> [Part] {
        var parts: [Part] = []
        if pending.readableBytes == 0 {
            pending = bytes
        } else {
            pending.writeImmutableBuffer(bytes)
        }
        while state == .head, pending.readableBytes > 0, let lines = MessageLines(reading: &pending) {
            guard let framing = framing(lines) else {
                parts.append(.head(lines, ends: false))
                continue
            }
            hasHead = true
            body = BodyDecoder(framing)
            isChunked = framing == .chunked
            state = body.isComplete ? .done : .body
            parts.append(.head(lines, ends: body.isComplete))
        }
        if state == .body { readBody(into: &parts) }
        if state == .done || pending.readableBytes == 0 { pending = ByteBuffer() }
        return parts
    }

    /// What still comes is not wanted.
    mutating func drop() {
        state = .done
        pending = ByteBuffer()
    }

    /// One piece is held back until it is known whether another follows, so that the last one can carry the end.
    private mutating func readBody(into parts: inout [Part]) {
        var held: ByteBuffer?
        while true {
            var at = 0
            let step: Result<BodyDecoder.Step, WireError> = pending.withUnsafeReadableBytes { bytes in
                do throws(WireError) { return .success(try body.next(bytes, &at, &fields)) } catch {
                    return .failure(error)
                }
            }
            switch step {
            case .success(.data(let range)):
                if let held { parts.append(.data(held, ends: false)) }
                held = pending.getSlice(at: pending.readerIndex + range.lowerBound, length: range.count)
                pending.moveReaderIndex(forwardBy: at)
                guard body.isComplete, !isChunked else { continue }
                state = .done
                if let held { parts.append(.data(held, ends: true)) }
                return
            case .success(.complete):
                let trailers = readTrailers(at)
                state = .done
                if let trailers {
                    if let held { parts.append(.data(held, ends: false)) }
                    parts.append(.trailers(trailers))
                } else {
                    parts.append(.data(held ?? ByteBuffer(), ends: true))
                }
                return
            case .success(.needsMore):
                pending.moveReaderIndex(forwardBy: at)
                if let held { parts.append(.data(held, ends: false)) }
                return
            // Never: the gateway reads what it writes. The stream would end with a reset.
            case .failure: return
            }
        }
    }

    /// The fields of the trailer section that ends before `at`; nil if there are none.
    private mutating func readTrailers(_ at: Int) -> HPACKHeaders? {
        guard isChunked, let section = pending.readSlice(length: at) else { return nil }
        var headers = HPACKHeaders()
        headers.add(section.withUnsafeReadableBytes(MessageLines.trailers))
        return headers.isEmpty ? nil : headers
    }
}
