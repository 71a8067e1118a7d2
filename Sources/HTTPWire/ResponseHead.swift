/// A response head as offsets into the bytes it was read from.
package struct ResponseHead: Sendable {
    package var status = 0
    package var isHTTP11 = true
    package var framing = BodyFraming.none
    /// The machine would take another request on this connection.
    package var keepsAlive = true
    package var length = 0

    var reason = 0..<0
    var upgrade = 0..<0
    var contentLength: UInt64?
    var hasCoding = false
    var coding = CodingList.Verdict.chunked
    var hasDate = false
    var connection = ConnectionOptions()

    package init() {}

    /// 100 to 199 without 101: another head follows.
    package var isInformational: Bool { status < 200 && status != 101 }
}

/// What the response answers, as far as its framing depends on it.
package struct ResponseContext: Sendable {
    package var isHead: Bool
    package var wantsUpgrade: Bool

    package init(isHead: Bool, wantsUpgrade: Bool) {
        self.isHead = isHead
        self.wantsUpgrade = wantsUpgrade
    }
}

/// Reads response heads as `RequestParser` reads request heads. The sender is a guest: nothing in it is trusted.
package struct ResponseParser: Sendable {
    private var head = ResponseHead()
    private var at = 0
    private var hasStatusLine = false

    package init() {}

    /// The head, once it is whole. `fields` must be the same one until then.
    package mutating func parse(
        _ bytes: UnsafeRawBufferPointer, _ fields: inout HeadFields, _ limits: HeadLimits, _ context: ResponseContext
    ) throws(WireError) -> ResponseHead? {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return nil }
        let isWhole: Result<Bool, WireError> = ByteClass.table.withUnsafeBufferPointer { table in
            guard let classes = table.baseAddress else { return .success(false) }
            let reader = FieldReader(
                bytes: base.assumingMemoryBound(to: UInt8.self), count: bytes.count, classes: classes, limits: limits,
                origin: 0, unwanted: FieldReader.ofResponses)
            do throws(WireError) {
                return .success(try step(reader, &fields, context))
            } catch {
                return .failure(error)
            }
        }
        return try isWhole.get() ? head : nil
    }

    @inline(__always)
    private mutating func step(
        _ reader: FieldReader, _ fields: inout HeadFields, _ context: ResponseContext
    ) throws(WireError) -> Bool {
        if !hasStatusLine {
            guard try statusLine(reader) else { return false }
            hasStatusLine = true
            fields.clear()
        }
        while true {
            switch try reader.next(&at, &fields) {
            case .incomplete: return false
            case .field: try note(&fields, reader.bytes)
            case .end:
                head.length = at
                try head.settle(reader.bytes, &fields, context)
                return true
            }
        }
    }

    /// `HTTP/1.x SP 3DIGIT [SP reason] CRLF`. The space after the status is often missing where there is no reason.
    private mutating func statusLine(_ reader: FieldReader) throws(WireError) -> Bool {
        let bytes = reader.bytes
        let count = min(reader.count, reader.limits.field)
        let expected: StaticString = "HTTP/1."
        for index in 0..<min(count, 7) where bytes[index] != expected.utf8Start[index] { throw .malformedStatusLine }
        if count > 7, bytes[7] &- Octet.zero > 1 { throw .malformedStatusLine }
        if count > 8, bytes[8] != Octet.space { throw .malformedStatusLine }
        var status = 0
        for index in 9..<max(9, min(count, 12)) {
            let digit = bytes[index] &- Octet.zero
            if digit > 9 { throw .malformedStatusLine }
            status = status * 10 + Int(digit)
        }
        guard count > 12 else { return false }
        if status < 100 || status > 599 { throw .malformedStatusLine }
        var cursor = 12
        if bytes[12] == Octet.space {
            cursor = reader.endOfValue(13, count)
            head.reason = 13..<cursor
        }
        if cursor < count, bytes[cursor] != Octet.carriageReturn {
            throw bytes[cursor] == Octet.lineFeed ? .bareLineFeed : .malformedStatusLine
        }
        guard cursor + 1 < count else {
            if count < reader.count || count == reader.limits.field { throw .fieldTooLarge }
            return false
        }
        if bytes[cursor + 1] != Octet.lineFeed { throw .bareCarriageReturn }
        head.status = status
        head.isHTTP11 = bytes[7] == 0x31
        at = cursor + 2
        return true
    }

    @inline(__always)
    private mutating func note(_ fields: inout HeadFields, _ bytes: UnsafePointer<UInt8>) throws(WireError) {
        let last = fields.lines.count - 1
        let line = fields.lines[last]
        if line.name == .other { return }
        let start = Int(line.valueStart)
        let end = Int(line.valueEnd)
        switch line.name {
        case .contentLength:
            if head.contentLength != nil { throw .repeatedLength }
            guard let length = parseLength(bytes, start, end) else { throw .malformedLength }
            head.contentLength = length
            fields.lines[last].isKept = false
        case .transferEncoding:
            head.coding = head.hasCoding ? .malformed : CodingList.judge(bytes, start, end)
            head.hasCoding = true
            fields.lines[last].isKept = false
        case .connection:
            head.connection.read(bytes, start, end)
            fields.lines[last].isKept = false
        case .upgrade:
            head.upgrade = start..<end
            fields.lines[last].isKept = false
        case .date:
            if head.hasDate { fields.lines[last].isKept = false }
            head.hasDate = true
        case .hopByHop, .instance, .te, .requestID: fields.lines[last].isKept = false
        default: break
        }
    }
}

extension ResponseHead {
    /// The length of the body (RFC 9112 6.3), or why there is no telling.
    mutating func settle(
        _ bytes: UnsafePointer<UInt8>, _ fields: inout HeadFields, _ context: ResponseContext
    ) throws(WireError) {
        keepsAlive = !connection.close && (isHTTP11 || connection.keepAlive)
        if connection.lists { fields.dropListed(in: bytes) }
        if hasCoding {
            if !isHTTP11 { throw .codingOnHTTP10 }
            if contentLength != nil { throw .conflictingFraming }
            switch coding {
            case .chunked: break
            case .unknown: throw .unknownCoding
            case .malformed: throw .malformedCoding
            }
        }
        switch status {
        case 101:
            guard context.wantsUpgrade, connection.upgrade, !upgrade.isEmpty, isHTTP11 else { throw .unexpectedStatus }
            contentLength = nil
        case 100...199, 204:
            if hasCoding || (contentLength ?? 0) > 0 { throw .conflictingFraming }
            contentLength = nil
        case 304: break
        default:
            if context.isHead { break }
            if hasCoding {
                framing = .chunked
            } else if let contentLength {
                framing = .length(contentLength)
            } else {
                framing = .untilClose
                keepsAlive = false
            }
        }
    }
}
