import HTTPWire
import NIOCore

/// Takes a body apart that this gateway writes as HTTP/1.1, for a stream of HTTP/2: of responses to clients, of requests to
/// machines.
struct BodyReader {
    enum Part {
        case data(ByteBuffer, ends: Bool)
        /// The end, as a last chunk with the lines of its trailer section.
        case trailers(ByteBuffer)
    }

    private enum State { case head, body, done }

    private var state = State.head
    private var body = BodyDecoder(.none)
    private var isChunked = false
    private var bytes = ByteBuffer()
    /// It is not known yet whether more follows it, and so whether it carries the end.
    private var held: ByteBuffer?
    /// They follow what was held.
    private var trailers: ByteBuffer?
    private var fields = HeadFields()

    var isAtHead: Bool { state == .head }
    var isComplete: Bool { state == .done }
    /// The body has no end but that of the stream.
    var endsWithClose: Bool { state == .body && body.endsWithClose }

    /// The head is over, and a body follows, or none.
    mutating func begin(_ framing: BodyFraming) {
        body = BodyDecoder(framing)
        isChunked = framing == .chunked
        state = body.isComplete ? .done : .body
    }

    /// What still comes is not wanted.
    mutating func drop() {
        state = .done
        bytes = ByteBuffer()
        held = nil
        trailers = nil
    }

    /// Takes bytes of the body; `next` has to be asked for what they hold until it has nothing more.
    mutating func take(_ more: ByteBuffer) {
        if bytes.readableBytes == 0 { bytes = more } else { bytes.writeImmutableBuffer(more) }
    }

    mutating func next() -> Part? {
        while state == .body {
            if let trailers { return end(.trailers(trailers)) }
            var at = 0
            let step: Result<BodyDecoder.Step, WireError> = bytes.withUnsafeReadableBytes { bytes in
                do throws(WireError) { return .success(try body.next(bytes, &at, &fields)) } catch {
                    return .failure(error)
                }
            }
            switch step {
            case .success(.data(let range)):
                let piece = bytes.getSlice(at: bytes.readerIndex + range.lowerBound, length: range.count)
                bytes.moveReaderIndex(forwardBy: at)
                if body.isComplete, !isChunked, let piece { return end(.data(piece, ends: true)) }
                if let ready = held {
                    held = piece
                    return .data(ready, ends: false)
                }
                held = piece
            case .success(.complete):
                guard isChunked, !fields.lines.isEmpty else {
                    return end(.data(held ?? ByteBuffer(), ends: true))
                }
                trailers = section(at)
                if let ready = held.take() { return .data(ready, ends: false) }
            case .success(.needsMore):
                bytes.moveReaderIndex(forwardBy: at)
                if bytes.readableBytes == 0 { bytes = ByteBuffer() }
                return held.take().map { .data($0, ends: false) }
            // Never: the gateway reads what it writes. The stream would end with a reset.
            case .failure: return nil
            }
        }
        return nil
    }

    /// What ends before `at`, from the last chunk on.
    private mutating func section(_ at: Int) -> ByteBuffer? {
        var section = bytes.readSlice(length: at)
        // The end of the chunk before it.
        if let first = section?.readableBytesView.first, first == 0x0d { section?.moveReaderIndex(forwardBy: 2) }
        return section
    }

    private mutating func end(_ part: Part) -> Part {
        drop()
        return part
    }
}
