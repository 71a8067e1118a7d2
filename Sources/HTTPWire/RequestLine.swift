/// Reads `METHOD target HTTP/1.x`.
struct RequestLine {
    let reader: FieldReader
    var at: Int

    private var bytes: UnsafePointer<UInt8> { reader.bytes }

    init(reader: FieldReader, at: Int) {
        self.reader = reader
        self.at = at
    }

    /// False when the line is not whole yet.
    mutating func parse(_ head: inout RequestHead) throws(WireError) -> Bool {
        let start = at
        let classes = reader.classes
        let methodBound = min(reader.count, start + HeadLimits.method + 1)
        var cursor = start
        while cursor < methodBound, classes[Int(bytes[cursor])] & ByteClass.token != 0 { cursor += 1 }
        if cursor == methodBound {
            if cursor - start > HeadLimits.method { throw .methodTooLong }
            return false
        }
        guard bytes[cursor] == Octet.space, cursor > start else { throw lineError(bytes[cursor]) }
        head.methodRange = start..<cursor
        head.method = Self.method(bytes + start, cursor - start)

        let targetStart = cursor + 1
        let targetBound = min(reader.count, targetStart + reader.limits.target + 1)
        cursor = targetStart
        while cursor < targetBound, bytes[cursor] > Octet.space, bytes[cursor] < 0x7f { cursor += 1 }
        if cursor == targetBound {
            if cursor - targetStart > reader.limits.target { throw .targetTooLong }
            return false
        }
        guard bytes[cursor] == Octet.space, cursor > targetStart else { throw targetError(bytes[cursor]) }
        let targetEnd = cursor

        guard try version(cursor + 1, &head) else { return false }
        if matches(bytes, head.methodRange, "connect") { throw .connectRefused }
        if matches(bytes, head.methodRange, "trace") { throw .traceRefused }
        try RequestTarget.parse(bytes, targetStart, targetEnd, classes, &head)
        at = targetEnd + 11
        return true
    }

    /// `HTTP/1.0` or `HTTP/1.1` and CRLF, from `start` on.
    private func version(_ start: Int, _ head: inout RequestHead) throws(WireError) -> Bool {
        if start + 10 <= reader.count, isHTTP11(start) {
            head.isHTTP11 = true
            return true
        }
        let expected: StaticString = "HTTP/"
        for index in 0..<10 {
            guard start + index < reader.count else { return false }
            let byte = bytes[start + index]
            switch index {
            case 0..<5: if byte != expected.utf8Start[index] { throw lineError(byte) }
            case 6: if byte != 0x2e { throw lineError(byte) }
            case 5, 7: if byte &- Octet.zero > 9 { throw lineError(byte) }
            case 8: if byte != Octet.carriageReturn { throw lineError(byte) }
            default: if byte != Octet.lineFeed { throw .bareCarriageReturn }
            }
        }
        guard bytes[start + 5] == 0x31, bytes[start + 7] <= 0x31 else { throw .unsupportedVersion }
        head.isHTTP11 = bytes[start + 7] == 0x31
        return true
    }

    /// Whether `HTTP/1.1` and CRLF stand there, as nearly always: two comparisons.
    @inline(__always)
    private func isHTTP11(_ start: Int) -> Bool {
        let raw = UnsafeRawPointer(bytes + start)
        return UInt64(littleEndian: raw.loadUnaligned(as: UInt64.self)) == 0x312e_312f_5054_5448
            && UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt16.self)) == 0x0a0d
    }

    private func lineError(_ byte: UInt8) -> WireError {
        byte == Octet.lineFeed ? .bareLineFeed : .malformedRequestLine
    }

    private func targetError(_ byte: UInt8) -> WireError {
        switch byte {
        case Octet.lineFeed: .bareLineFeed
        case Octet.carriageReturn, Octet.space: .malformedRequestLine
        default: .malformedTarget
        }
    }

    private static func method(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> RequestMethod {
        func equals(_ text: StaticString) -> Bool {
            for index in 0..<count where bytes[index] != text.utf8Start[index] { return false }
            return true
        }
        switch count {
        case 3: return equals("GET") ? .get : equals("PUT") ? .put : .other
        case 4: return equals("HEAD") ? .head : .other
        case 6: return equals("DELETE") ? .delete : .other
        case 7: return equals("OPTIONS") ? .options : .other
        default: return .other
        }
    }
}
