/// Reads field lines: the part that request heads, response heads and trailers have in common.
struct FieldReader {
    let bytes: UnsafePointer<UInt8>
    let count: Int
    let classes: UnsafePointer<UInt8>
    let limits: HeadLimits
    /// Where the head begins.
    let origin: Int
    /// Names with these kinds of characters do not go to the other side.
    let unwanted: UInt8

    /// CGI-style apps cannot tell `_` from `-` in what they are asked, and with it one client's word from a proxy's. To a
    /// client it is a character like any other.
    static let ofRequests = ByteClass.underscore
    static let ofResponses: UInt8 = 0

    enum Outcome { case field, end, incomplete }

    /// Reads the line at `at`, appends it to `fields` and moves `at` past it; when the line is not whole yet, nothing moves.
    @inline(__always)
    func next(_ at: inout Int, _ fields: inout HeadFields) throws(WireError) -> Outcome {
        let start = at
        guard start < count else { return .incomplete }
        let headEnd = origin + limits.head
        let bound = min(count, min(start + limits.field, headEnd))
        // A line that fills its bound is too large; one that ends at `count` may still be coming.
        func short() throws(WireError) -> Outcome {
            if bound == count, count < min(start + limits.field, headEnd) { return .incomplete }
            throw start + limits.field < headEnd ? .fieldTooLarge : .headTooLarge
        }
        guard start < bound else { return try short() }

        var cursor = start
        var seen: UInt8 = 0
        while cursor < bound {
            let kind = classes[Int(bytes[cursor])]
            if kind & ByteClass.token == 0 { break }
            seen |= kind
            cursor += 1
        }
        if cursor == bound { return try short() }
        if bytes[cursor] != Octet.colon || cursor == start { return try withoutName(&at, cursor, bound, short) }
        let nameLength = cursor - start
        cursor += 1
        while cursor < bound, bytes[cursor] == Octet.space || bytes[cursor] == Octet.tab { cursor += 1 }
        let valueStart = cursor
        cursor = endOfValue(cursor, bound)
        if cursor + 1 >= bound {
            if cursor < bound, bytes[cursor] != Octet.carriageReturn { throw lineError(bytes[cursor]) }
            return try short()
        }
        if bytes[cursor] != Octet.carriageReturn { throw lineError(bytes[cursor]) }
        if bytes[cursor + 1] != Octet.lineFeed { throw .bareCarriageReturn }
        var valueEnd = cursor
        while valueEnd > valueStart, bytes[valueEnd - 1] == Octet.space || bytes[valueEnd - 1] == Octet.tab {
            valueEnd -= 1
        }
        if fields.lines.count >= limits.fields { throw .tooManyFields }
        let name = FieldName.classify(bytes + start, nameLength)
        fields.lines.append(
            HeadField(
                start: UInt32(truncatingIfNeeded: start), end: UInt32(truncatingIfNeeded: cursor + 2),
                nameLength: UInt32(truncatingIfNeeded: nameLength), valueStart: UInt32(truncatingIfNeeded: valueStart),
                valueEnd: UInt32(truncatingIfNeeded: valueEnd), name: name,
                isKept: seen & unwanted == 0))
        at = cursor + 2
        return .field
    }

    /// The line has no name: the empty line that ends a head, or an error.
    private func withoutName(
        _ at: inout Int, _ cursor: Int, _ bound: Int, _ short: () throws(WireError) -> Outcome
    ) throws(WireError) -> Outcome {
        let byte = bytes[cursor]
        let isFirst = cursor == at
        switch byte {
        case Octet.carriageReturn where isFirst:
            guard cursor + 1 < bound else { return try short() }
            if bytes[cursor + 1] != Octet.lineFeed { throw .bareCarriageReturn }
            at = cursor + 2
            return .end
        case Octet.lineFeed: throw .bareLineFeed
        case Octet.space, Octet.tab: throw isFirst ? .foldedField : .spaceBeforeColon
        default: throw .malformedFieldName
        }
    }

    /// The first byte from `start` on that cannot be part of a value, eight at a time where that many are left.
    @inline(__always)
    func endOfValue(_ start: Int, _ bound: Int) -> Int {
        var cursor = start
        let raw = UnsafeRawPointer(bytes)
        while cursor + 8 <= bound {
            let block = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: cursor, as: UInt64.self))
            let special = (Self.below(0x20, block) | Self.below(1, block ^ (Self.each &* 0x7f))) & (Self.each &* 0x80)
            if special != 0 {
                // Only bytes above the first special one can be marked without being special.
                cursor += special.trailingZeroBitCount >> 3
                break
            }
            cursor += 8
        }
        while cursor < bound, classes[Int(bytes[cursor])] & ByteClass.value != 0 { cursor += 1 }
        return cursor
    }

    private static var each: UInt64 { 0x0101_0101_0101_0101 }

    /// The high bit of each byte of `block` that is less than `limit`, at most 128.
    @inline(__always)
    private static func below(_ limit: UInt64, _ block: UInt64) -> UInt64 { (block &- (each &* limit)) & ~block }

    func lineError(_ byte: UInt8) -> WireError {
        byte == Octet.lineFeed ? .bareLineFeed : .controlByte
    }
}
