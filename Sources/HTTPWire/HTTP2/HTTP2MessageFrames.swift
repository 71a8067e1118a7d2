/// A block of fields whose end has not come yet.
struct PartialBlock: Sendable {
    let stream: UInt32
    let endsStream: Bool
    var bytes: [UInt8]
    var frames = 0

    /// Bytes of one block, however few fields it holds, and frames that it may come in.
    static let limit = 64 * 1024
    static let mostFrames = 16
}

/// Requests: HEADERS with what continues them, and DATA.
extension HTTP2Session {
    mutating func readHeaders(
        _ header: FrameHeader, _ bytes: UnsafeRawBufferPointer, _ payload: Range<Int>
    ) throws(HTTP2Error) -> Event? {
        // Streams with even numbers would be the server's (RFC 9113 5.1.1).
        guard header.stream & 1 == 1 else { throw HTTP2Error(.protocolError) }
        var block = try unpadded(header, bytes, payload)
        if header.has(FrameHeader.Flag.priority) {
            guard block.count >= 5 else { throw HTTP2Error(.frameSize) }
            try checkDependency(header, bytes, block.lowerBound)
            block = (block.lowerBound + 5)..<block.upperBound
        }
        let ends = header.has(FrameHeader.Flag.endStream)
        guard header.has(FrameHeader.Flag.endHeaders) else {
            partial = PartialBlock(stream: header.stream, endsStream: ends, bytes: Array(bytes[block]))
            return nil
        }
        return try finish(header.stream, UnsafeRawBufferPointer(rebasing: bytes[block]), ends)
    }

    mutating func readContinuation(
        _ header: FrameHeader, _ bytes: UnsafeRawBufferPointer, _ payload: Range<Int>
    ) throws(HTTP2Error) -> Event? {
        guard var block = partial, block.stream == header.stream else { throw HTTP2Error(.protocolError) }
        partial = nil
        block.bytes.append(contentsOf: bytes[payload])
        block.frames += 1
        guard block.frames <= PartialBlock.mostFrames, block.bytes.count <= PartialBlock.limit else {
            throw HTTP2Error(.enhanceYourCalm)
        }
        guard header.has(FrameHeader.Flag.endHeaders) else {
            partial = block
            return nil
        }
        let whole = block.bytes
        let result: Result<Event?, HTTP2Error> = whole.withUnsafeBytes { bytes in
            do throws(HTTP2Error) { return .success(try finish(block.stream, bytes, block.endsStream)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Where the content of a frame that may be padded is.
    private func unpadded(
        _ header: FrameHeader, _ bytes: UnsafeRawBufferPointer, _ payload: Range<Int>
    ) throws(HTTP2Error) -> Range<Int> {
        guard header.has(FrameHeader.Flag.padded) else { return payload }
        guard let first = payload.first, Int(bytes[first]) < payload.count else { throw HTTP2Error(.protocolError) }
        return (first + 1)..<(payload.upperBound - Int(bytes[first]))
    }

    /// A whole block. Whatever becomes of the stream, it has to be decoded: the tables of both ends stay in step.
    private mutating func finish(
        _ stream: UInt32, _ block: UnsafeRawBufferPointer, _ ends: Bool
    ) throws(HTTP2Error) -> Event? {
        if stream > lastStream { return try begin(stream, block, ends) }
        guard let place = streams.place(of: stream) else {
            guard abandoned.contains(stream) else { throw HTTP2Error(.streamClosed) }
            try controls.note(now: now)
            _ = try decodeTrailers(block)
            return nil
        }
        let areGood = try decodeTrailers(block)
        if streams[place].isRequestDone { return try breakOff(stream, .streamClosed) }
        guard ends, areGood, !streams[place].isShort else {
            try noteMalformed()
            return try breakOff(stream, .protocolError)
        }
        endRequest(place)
        return .trailers(stream)
    }

    private mutating func begin(
        _ stream: UInt32, _ block: UnsafeRawBufferPointer, _ ends: Bool
    ) throws(HTTP2Error) -> Event? {
        lastStream = stream
        let request = try decodeRequest(block, isWhole: ends)
        if isClosed {
            try controls.note(now: now)
            if !ends { abandoned.note(stream) }
            return nil
        }
        lastAnswered = stream
        guard streams.count < settings.streams else {
            try controls.note(now: now)
            refuse(stream, ends, .refusedStream)
            return nil
        }
        if request.fault != nil { try noteMalformed() }
        let isNone =
            switch request.fault {
            // No request at all (RFC 9113 8.1.1). The client must not be waited for to take an answer.
            case .malformedFieldName, .controlByte, .malformedRequestLine: true
            case nil: ends && request.length ?? 0 > 0
            default: false
            }
        if isNone {
            refuse(stream, ends, .protocolError)
            return nil
        }
        streams.append(
            stream, HTTP2Stream(window: FlowWindow(client.window), isWhole: ends, length: request.length))
        return .request(stream, request)
    }

    private mutating func refuse(_ stream: UInt32, _ ends: Bool, _ code: HTTP2ErrorCode) {
        if !ends { abandoned.note(stream) }
        out.append(kind: FrameHeader.Kind.reset, stream: stream, code.rawValue)
    }

    private mutating func noteMalformed() throws(HTTP2Error) {
        try malformed.note(now: now)
    }

    mutating func readData(
        _ header: FrameHeader, _ bytes: UnsafeRawBufferPointer, _ payload: Range<Int>
    ) throws(HTTP2Error) -> Event? {
        guard isKnown(header.stream) else { throw HTTP2Error(.protocolError) }
        let content = try unpadded(header, bytes, payload)
        guard offered.receive(header.length) else { throw HTTP2Error(.flowControl) }
        open(0, by: offered.handle(header.length))
        let ends = header.has(FrameHeader.Flag.endStream)
        if content.isEmpty, !ends {
            emptyFrames += 1
            if emptyFrames > Self.mostEmptyFrames { throw HTTP2Error(.enhanceYourCalm) }
        } else {
            emptyFrames = 0
        }
        guard let place = streams.place(of: header.stream) else {
            if content.isEmpty { try controls.note(now: now) }
            return nil
        }
        if streams[place].isRequestDone { return try breakOff(header.stream, .streamClosed) }
        guard streams[place].offered.receive(header.length) else { return try breakOff(header.stream, .flowControl) }
        guard streams[place].receive(content.count), !(ends && streams[place].isShort) else {
            try noteMalformed()
            return try breakOff(header.stream, .protocolError)
        }
        // Padding is dealt with at once.
        handled(header.length - content.count, on: header.stream)
        if ends { endRequest(place) }
        return content.isEmpty && !ends ? nil : .data(header.stream, content, ends: ends)
    }

    /// One after the other.
    private static var mostEmptyFrames: Int { 20 }

    /// Bytes of a body that have gone on their way: as many may follow.
    package mutating func handled(_ count: Int, on stream: UInt32) {
        guard count > 0, let place = streams.place(of: stream), !streams[place].isRequestDone else { return }
        open(stream, by: streams[place].offered.handle(count))
    }

    private mutating func open(_ stream: UInt32, by increment: UInt32) {
        if increment > 0 { out.append(kind: FrameHeader.Kind.windowUpdate, stream: stream, increment) }
    }

    private mutating func endRequest(_ place: Int) {
        streams[place].isRequestDone = true
        if streams[place].isResponseDone { streams.remove(at: place) }
    }
}
