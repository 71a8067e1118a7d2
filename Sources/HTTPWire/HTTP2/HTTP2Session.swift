/// The server's end of an HTTP/2 connection on raw bytes (RFC 9113): frames, header tables, streams and windows.
///
/// Frames go in with `next`, which tells what they mean for whoever answers requests; what has to be said leaves in `out`.
package struct HTTP2Session: ~Copyable {
    package enum Event: Sendable, Equatable {
        /// A stream begins. Its head is in `scratch.text`, as lines of HTTP/1.1, unless the block has a fault.
        case request(UInt32, RequestBlock)
        /// A piece of a body, as places in the bytes. Answer with `handled` when it has been dealt with.
        case data(UInt32, Range<Int>, ends: Bool)
        /// The end of a body, with fields behind it: in `scratch.text`, as a last chunk of HTTP/1.1.
        case trailers(UInt32)
        /// The stream is over: the client reset it, or broke a rule and was told so.
        case reset(UInt32)
        /// The client takes more on this stream; 0: on all.
        case window(UInt32)
        /// The client opens no further stream.
        case goodbye
        case pong(UInt64)
    }

    /// Frames that leave next. The owner empties it.
    package var out = WireBuffer()
    /// Its text goes with an event, until the next one.
    package let scratch: HTTP2Scratch
    /// Nanoseconds on a clock that does not go back; kept up to date by the owner, a second is precise enough.
    package var now: UInt64

    let settings: HTTP2Settings
    var client = ClientSettings()
    var streams = HTTP2Streams()
    /// The highest stream of the client.
    var lastStream: UInt32 = 0
    /// The highest one that is answered.
    var lastAnswered: UInt32 = 0
    /// Streams that begin from now on are not answered.
    var isClosed = false
    var abandoned = AbandonedStreams()
    var window = FlowWindow()
    var offered = OfferedWindow(
        size: HTTP2Settings.connectionWindow, offered: HTTP2Settings.connectionWindow)
    var decoder = HPACKDecoder()
    var encoder = HPACKEncoder()
    /// A block of fields that did not come in one frame.
    var partial: PartialBlock?
    /// A front proxy brings the mistakes of many clients.
    var malformed = FloodGuard(HTTP2Settings.mostMalformed, in: 30_000_000_000)
    var emptyFrames = 0
    var controls = FloodGuard(500, in: 1_000_000_000)
    var resets = FloodGuard(200, in: 30_000_000_000)
    private var prefaceLeft = 24
    private var hasSettings = false

    package init(_ settings: HTTP2Settings, scratch: HTTP2Scratch, now: UInt64) {
        self.settings = settings
        self.scratch = scratch
        self.now = now
        settings.write(to: &out)
    }

    /// The meaning of what stands at `at`, which moves past it. Nil when the next frame is not whole yet.
    package mutating func next(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) throws(HTTP2Error) -> Event? {
        if prefaceLeft > 0, try !readPreface(bytes, &at) { return nil }
        while bytes.count - at >= FrameHeader.size {
            let header = FrameHeader(bytes, at: at)
            if header.length > FrameHeader.largest { throw HTTP2Error(.frameSize) }
            let payload = (at + FrameHeader.size)..<(at + FrameHeader.size + header.length)
            guard payload.upperBound <= bytes.count else { return nil }
            at = payload.upperBound
            if !hasSettings {
                guard header.kind == FrameHeader.Kind.settings, !header.has(FrameHeader.Flag.acknowledges) else {
                    throw HTTP2Error(.protocolError)
                }
                hasSettings = true
            }
            if partial != nil, header.kind != FrameHeader.Kind.continuation { throw HTTP2Error(.protocolError) }
            if let event = try read(header, bytes, payload) { return event }
        }
        return nil
    }

    private mutating func readPreface(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) throws(HTTP2Error) -> Bool {
        let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        while prefaceLeft > 0, at < bytes.count {
            guard bytes[at] == preface.utf8Start[24 - prefaceLeft] else { throw HTTP2Error(.protocolError) }
            prefaceLeft -= 1
            at += 1
        }
        return prefaceLeft == 0
    }

    private mutating func read(
        _ header: FrameHeader, _ bytes: UnsafeRawBufferPointer, _ payload: Range<Int>
    ) throws(HTTP2Error) -> Event? {
        switch header.kind {
        case FrameHeader.Kind.data: return try readData(header, bytes, payload)
        case FrameHeader.Kind.headers: return try readHeaders(header, bytes, payload)
        case FrameHeader.Kind.continuation: return try readContinuation(header, bytes, payload)
        case FrameHeader.Kind.windowUpdate: return try readWindowUpdate(header, bytes, payload)
        case FrameHeader.Kind.reset: return try readReset(header, bytes, payload)
        case FrameHeader.Kind.settings: return try readSettings(header, bytes, payload)
        case FrameHeader.Kind.ping: return try readPing(header, bytes, payload)
        case FrameHeader.Kind.goAway: return try readGoAway(header, bytes, payload)
        case FrameHeader.Kind.priority: return try readPriority(header, bytes, payload)
        case FrameHeader.Kind.pushPromise: throw HTTP2Error(.protocolError)
        default:
            try controls.note(now: now)
            return nil
        }
    }
}
