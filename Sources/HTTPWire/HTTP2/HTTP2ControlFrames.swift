/// Frames about streams and the connection, and not of messages.
extension HTTP2Session {
    /// A stream that has been opened, now or once. Frames on others break a rule (RFC 9113 5.1).
    func isKnown(_ stream: UInt32) -> Bool { stream & 1 == 1 && stream <= lastStream }

    mutating func readReset(
        _ header: FrameHeader, _ bytes: UnsafeRawBufferPointer, _ payload: Range<Int>
    ) throws(HTTP2Error) -> Event? {
        guard header.length == 4 else { throw HTTP2Error(.frameSize) }
        guard isKnown(header.stream) else { throw HTTP2Error(.protocolError) }
        try resets.note(now: now)
        guard let place = streams.place(of: header.stream) else { return nil }
        streams.remove(at: place)
        return .reset(header.stream)
    }

    mutating func readSettings(
        _ header: FrameHeader, _ bytes: UnsafeRawBufferPointer, _ payload: Range<Int>
    ) throws(HTTP2Error) -> Event? {
        guard header.stream == 0 else { throw HTTP2Error(.protocolError) }
        try controls.note(now: now)
        if header.has(FrameHeader.Flag.acknowledges) {
            guard header.length == 0 else { throw HTTP2Error(.frameSize) }
            return nil
        }
        guard header.length % 6 == 0 else { throw HTTP2Error(.frameSize) }
        let before = client
        try client.read(bytes, payload)
        // A table that was made smaller in between has lost its entries (RFC 7541 4.2).
        if client.leastTable < before.tableSize { encoder.setTableLimit(client.leastTable) }
        if client.tableSize != client.leastTable { encoder.setTableLimit(client.tableSize) }
        out.append(
            FrameHeader(
                length: 0, kind: FrameHeader.Kind.settings, flags: FrameHeader.Flag.acknowledges, stream: 0))
        guard client.window != before.window else { return nil }
        let (change, overflows) = client.window.subtractingReportingOverflow(before.window)
        if overflows { throw HTTP2Error(.flowControl) }
        for place in streams.indices where !streams[place].window.grow(by: change) { throw HTTP2Error(.flowControl) }
        return change > 0 ? .window(0) : nil
    }

    mutating func readPing(
        _ header: FrameHeader, _ bytes: UnsafeRawBufferPointer, _ payload: Range<Int>
    ) throws(HTTP2Error) -> Event? {
        guard header.stream == 0 else { throw HTTP2Error(.protocolError) }
        guard header.length == 8 else { throw HTTP2Error(.frameSize) }
        try controls.note(now: now)
        if header.has(FrameHeader.Flag.acknowledges) {
            let high = FrameHeader.number(bytes, payload.lowerBound)
            return .pong(UInt64(high) << 32 | UInt64(FrameHeader.number(bytes, payload.lowerBound + 4)))
        }
        out.append(
            FrameHeader(length: 8, kind: FrameHeader.Kind.ping, flags: FrameHeader.Flag.acknowledges, stream: 0))
        out.append(UnsafeRawBufferPointer(rebasing: bytes[payload]))
        return nil
    }

    mutating func readGoAway(
        _ header: FrameHeader, _ bytes: UnsafeRawBufferPointer, _ payload: Range<Int>
    ) throws(HTTP2Error) -> Event? {
        guard header.stream == 0 else { throw HTTP2Error(.protocolError) }
        guard header.length >= 8 else { throw HTTP2Error(.frameSize) }
        try controls.note(now: now)
        return .goodbye
    }

    mutating func readPriority(
        _ header: FrameHeader, _ bytes: UnsafeRawBufferPointer, _ payload: Range<Int>
    ) throws(HTTP2Error) -> Event? {
        guard header.stream != 0 else { throw HTTP2Error(.protocolError) }
        guard header.length == 5 else { throw HTTP2Error(.frameSize) }
        try controls.note(now: now)
        try checkDependency(header, bytes, payload.lowerBound)
        return nil
    }

    /// Priorities are not heeded, but a stream that depends on itself is no priority (RFC 7540 5.3.1).
    func checkDependency(
        _ header: FrameHeader, _ bytes: UnsafeRawBufferPointer, _ at: Int
    ) throws(HTTP2Error) {
        if FrameHeader.number(bytes, at) & 0x7fff_ffff == header.stream { throw HTTP2Error(.protocolError) }
    }

    mutating func readWindowUpdate(
        _ header: FrameHeader, _ bytes: UnsafeRawBufferPointer, _ payload: Range<Int>
    ) throws(HTTP2Error) -> Event? {
        guard header.length == 4 else { throw HTTP2Error(.frameSize) }
        let increment = Int32(bitPattern: FrameHeader.number(bytes, payload.lowerBound) & 0x7fff_ffff)
        if header.stream == 0 {
            if increment == 0 { throw HTTP2Error(.protocolError) }
            guard window.grow(by: increment) else { throw HTTP2Error(.flowControl) }
            return .window(0)
        }
        guard isKnown(header.stream) else { throw HTTP2Error(.protocolError) }
        guard let place = streams.place(of: header.stream) else { return nil }
        if increment == 0 { return try breakOff(header.stream, .protocolError) }
        guard streams[place].window.grow(by: increment) else { return try breakOff(header.stream, .flowControl) }
        return .window(header.stream)
    }

    /// A rule that only one stream cannot outlive. Resets that a client provokes cost what its own do (CVE-2025-8671).
    mutating func breakOff(_ stream: UInt32, _ code: HTTP2ErrorCode) throws(HTTP2Error) -> Event {
        try resets.note(now: now)
        reset(stream, code)
        return .reset(stream)
    }
}
