/// Reads request heads, strictly, from bytes that may arrive in any pieces.
///
/// The bytes are presented from the head's first byte on, each time with what has come since; lines already read are not
/// read again. After a head or an error the parser is of no more use: make a new one, it is a few numbers.
package struct RequestParser: Sendable {
    private var head = RequestHead()
    private var at = 0
    private var origin = 0
    private var hasRequestLine = false
    /// There was more than empty lines.
    package private(set) var hasBegun = false

    package init() {}

    /// The head, once it is whole. `fields` must be the same one until then.
    ///
    /// Empty lines before the request line are passed over (RFC 9112 2.2): at most two.
    package mutating func parse(
        _ bytes: UnsafeRawBufferPointer, _ fields: inout HeadFields, _ limits: HeadLimits
    ) throws(WireError) -> RequestHead? {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return nil }
        let isWhole: Result<Bool, WireError> = ByteClass.table.withUnsafeBufferPointer { table in
            guard let classes = table.baseAddress else { return .success(false) }
            var reader = FieldReader(
                bytes: base.assumingMemoryBound(to: UInt8.self), count: bytes.count, classes: classes, limits: limits,
                origin: origin, unwanted: FieldReader.ofRequests)
            do throws(WireError) {
                return .success(try step(&reader, &fields))
            } catch {
                return .failure(error)
            }
        }
        return try isWhole.get() ? head : nil
    }

    @inline(__always)
    private mutating func step(_ reader: inout FieldReader, _ fields: inout HeadFields) throws(WireError) -> Bool {
        if !hasRequestLine {
            guard try skipEmptyLines(reader) else { return false }
            reader = FieldReader(
                bytes: reader.bytes, count: reader.count, classes: reader.classes, limits: reader.limits,
                origin: origin, unwanted: reader.unwanted)
            var line = RequestLine(reader: reader, at: at)
            guard try line.parse(&head) else { return false }
            at = line.at
            hasRequestLine = true
            fields.clear()
        }
        while true {
            switch try reader.next(&at, &fields) {
            case .incomplete: return false
            case .field: try note(&fields, reader.bytes, reader.classes)
            case .end:
                head.length = at
                try head.settle(reader.bytes, &fields)
                return true
            }
        }
    }

    private mutating func skipEmptyLines(_ reader: FieldReader) throws(WireError) -> Bool {
        while at < reader.count, reader.bytes[at] == Octet.carriageReturn {
            guard at + 1 < reader.count else { return false }
            if reader.bytes[at + 1] != Octet.lineFeed { throw .bareCarriageReturn }
            if at == 4 { throw .malformedRequestLine }
            at += 2
        }
        origin = at
        if at < reader.count { hasBegun = true }
        return hasBegun
    }

    /// Takes what the proxy must know out of the line just read.
    @inline(__always)
    private mutating func note(
        _ fields: inout HeadFields, _ bytes: UnsafePointer<UInt8>, _ classes: UnsafePointer<UInt8>
    ) throws(WireError) {
        let last = fields.lines.count - 1
        let line = fields.lines[last]
        if line.name == .other { return }
        let start = Int(line.valueStart)
        let end = Int(line.valueEnd)
        switch line.name {
        case .other, .via, .trailer, .authorization, .date: break
        case .host:
            if head.hasHost { throw .repeatedHost }
            head.hasHost = true
            if !HostRule.isValid(bytes, start, end, classes) { throw .malformedHost }
            if head.isAbsolute { fields.lines[last].isKept = false } else { head.authority = start..<end }
        case .contentLength:
            if head.hasLength { throw .repeatedLength }
            head.hasLength = true
            guard let length = parseLength(bytes, start, end) else { throw .malformedLength }
            head.framing = .length(length)
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
        case .expect:
            if !matches(bytes, start..<end, "100-continue") { throw .unknownExpectation }
            head.expectsContinue = true
        case .te:
            var list = ListCursor(bytes, start, end)
            while let element = list.next() { if list.matches(element, "trailers") { head.takesTrailers = true } }
            fields.lines[last].isKept = false
        case .requestID:
            head.requestID = start..<end
            fields.lines[last].isKept = false
        case .maxForwards:
            if head.method == .options {
                head.maxForwards = parseLength(bytes, start, end)
                fields.lines[last].isKept = false
            }
        case .accept:
            if end - start >= 9, matches(bytes, start..<(start + 9), "text/html") { head.prefersHTML = true }
        case .userAgent: head.userAgent = start..<end
        case .referer: head.referer = start..<end
        case .traceParent:
            let isValid = !head.hasTraceParent && TraceParent.isValid(bytes, start, end)
            head.traceParent = isValid ? start..<end : 0..<0
            head.hasTraceParent = true
            fields.lines[last].isKept = false
        case .traceState: head.hasTraceState = true
        case .idempotencyKey: head.hasIdempotencyKey = start < end
        case .hopByHop, .instance: fields.lines[last].isKept = false
        case .forwardedFor, .forwardedHost, .forwardedProto, .forwardedPort, .forwardedOther, .forwarded, .realIP: break
        }
    }
}

extension RequestHead {
    /// The rules that need the whole head.
    mutating func settle(_ bytes: UnsafePointer<UInt8>, _ fields: inout HeadFields) throws(WireError) {
        if !hasHost, isHTTP11 { throw .missingHost }
        if hasCoding {
            if !isHTTP11 { throw .codingOnHTTP10 }
            if hasLength { throw .conflictingFraming }
            switch coding {
            case .chunked: framing = .chunked
            case .unknown: throw .unknownCoding
            case .malformed: throw .malformedCoding
            }
        }
        keepsAlive = !connection.close && (isHTTP11 || connection.keepAlive)
        if !isHTTP11 { expectsContinue = false }
        if !upgrade.isEmpty { settleUpgrade(bytes) }
        if requestID.count > 128 { requestID = 0..<0 }
        for index in requestID where bytes[index] <= Octet.space || bytes[index] >= 0x7f { return requestID = 0..<0 }
        if connection.lists { fields.dropListed(in: bytes) }
        if hasTraceState, traceParent.isEmpty { fields.drop(.traceState) }
    }

    /// An upgrade is offered to the machine unless it is HTTP/2, which starts otherwise, or a body comes with it.
    private mutating func settleUpgrade(_ bytes: UnsafePointer<UInt8>) {
        guard isHTTP11, connection.upgrade else { return }
        var list = ListCursor(bytes, upgrade.lowerBound, upgrade.upperBound)
        while let element = list.next() {
            if element.isEmpty || list.matches(element, "h2c") || list.matches(element, "h2") { return }
        }
        switch framing {
        case .none, .length(0): wantsUpgrade = true
        default: break
        }
    }
}
