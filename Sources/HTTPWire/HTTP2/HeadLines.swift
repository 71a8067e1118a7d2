/// The lines of a head or a trailer section that this gateway has written, one after the other.
package struct HeadLines {
    private let bytes: UnsafeRawBufferPointer
    private var at: Int
    /// Where the message goes on behind the empty line, once `next` has returned nil. Nil: the line is not there.
    package private(set) var end: Int?

    /// `bytes` begins with a line that is no field: the start line, or the size of the last chunk.
    package init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        at = 0
        at = ByteWords.find(Octet.carriageReturn, from: 0, in: bytes) + 2
    }

    /// The next field, as places in the bytes. Nil at the empty line, or the end.
    package mutating func next() -> (name: Range<Int>, value: Range<Int>)? {
        guard at < bytes.count else { return nil }
        let first = at
        let end = ByteWords.find(Octet.carriageReturn, from: first, in: bytes)
        if end == first {
            if end + 2 <= bytes.count { self.end = end + 2 }
            return nil
        }
        let colon = ByteWords.find(Octet.colon, from: first, in: bytes)
        guard colon < end else { return nil }
        var value = colon + 1
        while value < end, bytes[value] == Octet.space || bytes[value] == Octet.tab { value += 1 }
        at = end + 2
        return (first..<colon, value..<end)
    }
}

/// What the head of a response says of itself.
package struct ResponseLines: Sendable, Equatable {
    package private(set) var status = 0
    /// The gateway answers itself, and not the app.
    package private(set) var isFailure = false
    /// Bytes of the head. Nil: it is not whole.
    package private(set) var length: Int?
    private var framing: BodyFraming?

    /// Of a head whose fields are noted one by one.
    init(statusOf bytes: UnsafeRawBufferPointer) {
        for place in 9..<12 where place < bytes.count { status = status * 10 + Int(bytes[place] & 15) }
    }

    /// `bytes` begins with a head that this gateway has written.
    package init(_ bytes: UnsafeRawBufferPointer) {
        self.init(statusOf: bytes)
        var lines = HeadLines(bytes)
        while let (name, value) = lines.next() { note(bytes, name, value) }
        finish(lines)
    }

    mutating func note(_ bytes: UnsafeRawBufferPointer, _ name: Range<Int>, _ value: Range<Int>) {
        switch name.count {
        case 13 where FieldBytes.matches(bytes, name, "x-fcctl-error"): isFailure = true
        case 14 where FieldBytes.matches(bytes, name, "content-length"):
            var digits: UInt64 = 0
            for place in value { digits = digits &* 10 &+ UInt64(bytes[place] & 15) }
            framing = .length(digits)
        case 17 where FieldBytes.matches(bytes, name, "transfer-encoding"): framing = .chunked
        default: break
        }
    }

    mutating func finish(_ lines: HeadLines) { length = lines.end }

    /// How the body ends. Nil: the response is an interim one, and another head follows.
    package func framing(toHead: Bool) -> BodyFraming? {
        if status < 200 { return nil }
        if toHead || status == 204 || status == 304 { return BodyFraming.none }
        return framing ?? .untilClose
    }
}
