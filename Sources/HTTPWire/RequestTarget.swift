/// The forms of a request target (RFC 9112 3.2) and their rules.
enum RequestTarget {
    static func parse(
        _ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ classes: UnsafePointer<UInt8>,
        _ head: inout RequestHead
    ) throws(WireError) {
        if bytes[start] == Octet.slash {
            head.target = start..<end
            return try check(bytes, start, end, classes)
        }
        if bytes[start] == Octet.asterisk, end == start + 1 {
            guard head.method == .options else { throw .malformedTarget }
            head.target = start..<end
            return
        }
        try absolute(bytes, start, end, classes, &head)
    }

    /// `http://authority/path`: the authority wins over Host, the rest is forwarded in origin form.
    private static func absolute(
        _ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ classes: UnsafePointer<UInt8>,
        _ head: inout RequestHead
    ) throws(WireError) {
        var cursor: Int
        if end - start > 7, matches(bytes, start..<(start + 7), "http://") {
            cursor = start + 7
        } else if end - start > 8, matches(bytes, start..<(start + 8), "https://") {
            cursor = start + 8
        } else {
            throw .malformedTarget
        }
        let authority = cursor
        while cursor < end, bytes[cursor] != Octet.slash, bytes[cursor] != Octet.question { cursor += 1 }
        guard HostRule.isValid(bytes, authority, cursor, classes) else { throw .malformedHost }
        head.isAbsolute = true
        head.authority = authority..<cursor
        head.target = cursor..<end
        if cursor == end {
            head.isAsterisk = head.method == .options
        } else {
            try check(bytes, cursor, end, classes)
        }
    }

    /// Path and query hold only bytes they may hold, and each percent sign in the path starts an escape.
    private static func check(
        _ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ classes: UnsafePointer<UInt8>
    ) throws(WireError) {
        var cursor = start
        while cursor < end, classes[Int(bytes[cursor])] & ByteClass.path != 0 {
            if bytes[cursor] == Octet.percent {
                guard cursor + 2 < end, classes[Int(bytes[cursor + 1])] & ByteClass.hex != 0,
                    classes[Int(bytes[cursor + 2])] & ByteClass.hex != 0
                else { throw .malformedTarget }
            }
            cursor += 1
        }
        if cursor == end { return }
        if bytes[cursor] != Octet.question { throw .malformedTarget }
        while cursor < end {
            if classes[Int(bytes[cursor])] & ByteClass.query == 0 { throw .malformedTarget }
            cursor += 1
        }
    }
}

/// `host [":" port]` as in RFC 3986, without user information.
enum HostRule {
    static func isValid(
        _ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ classes: UnsafePointer<UInt8>
    ) -> Bool {
        guard start < end, end - start <= 320 else { return false }
        var cursor = start
        if bytes[cursor] == Octet.openBracket {
            cursor += 1
            let address = cursor
            while cursor < end, isAddress(bytes[cursor], classes) { cursor += 1 }
            guard cursor < end, bytes[cursor] == Octet.closeBracket, cursor - address >= 2 else { return false }
            cursor += 1
        } else {
            while cursor < end, isName(bytes, &cursor, end, classes) { cursor += 1 }
            guard cursor > start else { return false }
        }
        if cursor == end { return true }
        guard bytes[cursor] == Octet.colon else { return false }
        var port = 0
        for index in (cursor + 1)..<end {
            let digit = bytes[index] &- Octet.zero
            guard digit < 10 else { return false }
            port = port * 10 + Int(digit)
            if port > 65_535 { return false }
        }
        return true
    }

    private static func isAddress(_ byte: UInt8, _ classes: UnsafePointer<UInt8>) -> Bool {
        classes[Int(byte)] & ByteClass.hex != 0 || byte == Octet.colon || byte == 0x2e
    }

    @inline(__always)
    private static func isName(
        _ bytes: UnsafePointer<UInt8>, _ cursor: inout Int, _ end: Int, _ classes: UnsafePointer<UInt8>
    ) -> Bool {
        guard classes[Int(bytes[cursor])] & ByteClass.host != 0 else { return false }
        if bytes[cursor] == Octet.percent {
            guard cursor + 2 < end, classes[Int(bytes[cursor + 1])] & ByteClass.hex != 0,
                classes[Int(bytes[cursor + 2])] & ByteClass.hex != 0
            else { return false }
            cursor += 2
        }
        return true
    }
}
