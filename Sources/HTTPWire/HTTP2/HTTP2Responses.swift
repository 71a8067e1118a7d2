/// What is said to the client: heads, data, and ends.
extension HTTP2Session {
    /// Sends a head: `bytes` begins with what HTTP/1.1 would say. With a head that has no body the response ends.
    package mutating func respond(_ bytes: UnsafeRawBufferPointer, toHead: Bool, on stream: UInt32) -> ResponseLines {
        var lines = ResponseLines(statusOf: bytes)
        let ends = sendBlock(bytes, isHead: true, &lines, stream) { lines in
            let framing = lines.framing(toHead: toHead)
            return framing == BodyFraming.none || framing == .length(0)
        }
        if ends { endResponse(stream) }
        return lines
    }

    /// Ends a response with fields: `bytes` is what HTTP/1.1 would say, a last chunk.
    package mutating func send(trailers bytes: UnsafeRawBufferPointer, on stream: UInt32) {
        var lines = ResponseLines(statusOf: bytes)
        _ = sendBlock(bytes, isHead: false, &lines, stream) { _ in true }
        endResponse(stream)
    }

    /// Encodes the lines of `bytes` and puts frames around them. `ends` decides by what they say whether the stream ends.
    @inline(__always)
    private mutating func sendBlock(
        _ bytes: UnsafeRawBufferPointer, isHead: Bool, _ lines: inout ResponseLines, _ stream: UInt32,
        _ ends: (ResponseLines) -> Bool
    ) -> Bool {
        let start = out.count
        out.append(FrameHeader(length: 0, kind: FrameHeader.Kind.headers, flags: 0, stream: stream))
        guard let base = bytes.baseAddress else { return false }
        // A field has the four bytes of its line around it, and the name of the status is not among them.
        out.write(bound: HPACKEncoder.bound(of: bytes.count, fields: bytes.count / 4 + 2)) { writer in
            encoder.begin(&writer)
            if isHead { encoder.put(status: lines.status, &writer) }
            var reader = HeadLines(bytes)
            while let (name, value) = reader.next() {
                lines.note(bytes, name, value)
                if Self.isLeftOut(bytes, name, value) { continue }
                encoder.put(base, name: name, value: value, Self.indexing(bytes, name), &writer)
            }
            lines.finish(reader)
        }
        let ends = ends(lines)
        frame(from: start, ends, stream)
        return ends
    }

    /// Makes frames of the block that stands behind the header at `start`: one, or as many as it takes.
    private mutating func frame(from start: Int, _ ends: Bool, _ stream: UInt32) {
        let flags = ends ? FrameHeader.Flag.endStream : 0
        let length = out.count - start - FrameHeader.size
        if length <= FrameHeader.largest {
            let header = FrameHeader(
                length: length, kind: FrameHeader.Kind.headers, flags: flags | FrameHeader.Flag.endHeaders,
                stream: stream)
            return out.overwrite(start) { header.store(to: $0) }
        }
        let block = Array(out.bytes[(start + FrameHeader.size)...])
        out.drop(to: start)
        for at in stride(from: 0, to: length, by: FrameHeader.largest) {
            let end = min(at + FrameHeader.largest, length)
            let isLast = end == length
            out.append(
                FrameHeader(
                    length: end - at, kind: at == 0 ? FrameHeader.Kind.headers : FrameHeader.Kind.continuation,
                    flags: (at == 0 ? flags : 0) | (isLast ? FrameHeader.Flag.endHeaders : 0), stream: stream))
            block.withUnsafeBytes { out.append(UnsafeRawBufferPointer(rebasing: $0[at..<end])) }
        }
    }

    /// Fields that HTTP/2 does not have (RFC 9113 8.2.2).
    private static func isLeftOut(_ bytes: UnsafeRawBufferPointer, _ name: Range<Int>, _ value: Range<Int>) -> Bool {
        if name.count == 2, FieldBytes.matches(bytes, name, "te") {
            return !FieldBytes.matches(bytes, value, "trailers")
        }
        return FieldBytes.isOfConnection(bytes, name)
    }

    /// Secrets are kept out of the compression tables, and so are values that differ each time.
    private static func indexing(_ bytes: UnsafeRawBufferPointer, _ name: Range<Int>) -> HPACKIndexing {
        guard let last = name.last else { return .none }
        func isNamed(_ word: StaticString) -> Bool { FieldBytes.matches(bytes, name, word) }
        // Length and last letter tell most apart already.
        switch (name.count, bytes[last] | 0x20) {
        case (4, 0x67) where isNamed("etag"): return .name
        case (6, 0x65) where isNamed("cookie"): return .never
        case (10, 0x65) where isNamed("set-cookie"): return .never
        case (11, 0x74) where isNamed("traceparent"): return .name
        case (12, 0x64) where isNamed("x-request-id"): return .name
        case (12, 0x73) where isNamed("x-latency-ms"): return .name
        case (13, 0x67) where isNamed("server-timing"): return .name
        case (13, 0x6e) where isNamed("authorization"): return .never
        case (14, 0x68) where isNamed("content-length"): return .none
        default: return .incremental
        }
    }

    /// Bytes of DATA that the client takes now on a stream, in one frame.
    package func room(on stream: UInt32) -> Int {
        guard let place = streams.place(of: stream) else { return 0 }
        return max(0, min(Int(min(window.room, streams[place].window.room)), FrameHeader.largest))
    }

    /// Sends the header of a DATA frame; its content, for which there must be room, has to follow in `out`.
    package mutating func beginData(_ count: Int, ends: Bool, on stream: UInt32) {
        window.take(count)
        if let place = streams.place(of: stream) { streams[place].window.take(count) }
        let flags = ends ? FrameHeader.Flag.endStream : 0
        out.append(FrameHeader(length: count, kind: FrameHeader.Kind.data, flags: flags, stream: stream))
        if ends { endResponse(stream) }
    }

    private mutating func endResponse(_ stream: UInt32) {
        guard let place = streams.place(of: stream) else { return }
        streams[place].isResponseDone = true
        if streams[place].isRequestDone { streams.remove(at: place) }
    }

    /// Ends a stream at once. Does nothing where it has ended.
    package mutating func reset(_ stream: UInt32, _ code: HTTP2ErrorCode) {
        guard let place = streams.place(of: stream) else { return }
        if !streams[place].isRequestDone { abandoned.note(stream) }
        streams.remove(at: place)
        out.append(kind: FrameHeader.Kind.reset, stream: stream, code.rawValue)
    }

    /// Says that the connection ends. `isLast`: what has not begun is not answered any more; before that a client may
    /// still send what it sent before it heard of the end (RFC 9113 6.8).
    package mutating func sayGoodbye(_ code: HTTP2ErrorCode = .none, isLast: Bool) {
        if isLast { isClosed = true }
        out.append(FrameHeader(length: 8, kind: FrameHeader.Kind.goAway, flags: 0, stream: 0))
        out.append(isLast ? lastAnswered : UInt32(Int32.max))
        out.append(code.rawValue)
    }

    package mutating func ping(_ content: UInt64) {
        out.append(FrameHeader(length: 8, kind: FrameHeader.Kind.ping, flags: 0, stream: 0))
        out.append(UInt32(truncatingIfNeeded: content >> 32))
        out.append(UInt32(truncatingIfNeeded: content))
    }
}
