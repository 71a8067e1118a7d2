/// The head of a request of HTTP/2, as HTTP/1.1 says it, so that one set of rules judges and forwards both (RFC 9113 8.3).
package struct RequestBlock: Sendable, Equatable {
    package var isHead = false
    /// Calls of gRPC: their failures are told in trailers.
    package var isGRPC = false
    /// The body goes in chunks, for lack of a length.
    package var isChunked = false
    /// What the body was said to have, if that can be counted to.
    package var length: UInt64?
    /// The first rule it breaks. Then there is no text.
    package var fault: WireError?

    package init() {}
}

/// Reads the fields of one request and writes them as lines.
struct RequestBlockReader {
    private(set) var block = RequestBlock()
    private var pseudo = PseudoFields()
    private var host: Range<Int>?
    private var cookies: [Range<Int>] = []
    private var size = 0
    private var hasLength = false
    /// Lines that go on as they are.
    private var run = 0..<0

    /// What of all fields together is taken, as SETTINGS_MAX_HEADER_LIST_SIZE counts it.
    static let listLimit = 16 * 1024

    /// The field that has just been added to `text`. False when the text need not be kept.
    mutating func take(_ field: HPACKField, _ text: UnsafeRawBufferPointer, into out: inout WireBuffer) -> Bool {
        if block.fault != nil { return false }
        size += field.name.count + field.value.count + 32
        do throws(WireError) {
            if size > Self.listLimit { throw .headTooLarge }
            try judge(field, text, &out)
            return true
        } catch {
            fail(error, text)
            return false
        }
    }

    private mutating func fail(_ error: WireError, _ text: UnsafeRawBufferPointer) {
        block.fault = error
        block.isHead = pseudo.method.map { FieldBytes.isEqual(text, $0, "HEAD") } ?? false
    }

    private mutating func judge(
        _ field: HPACKField, _ text: UnsafeRawBufferPointer, _ out: inout WireBuffer
    ) throws(WireError) {
        let (name, value) = (field.name, field.value)
        if let first = name.first, text[first] == Octet.colon { return try pseudo.take(name, value, text) }
        if !pseudo.isOver { try pseudo.finish(text, into: &out) }
        try FieldBytes.check(text, name: name, value: value)
        if FieldBytes.isOfConnection(text, name) { throw .malformedFieldName }
        switch name.count {
        case 2 where FieldBytes.isEqual(text, name, "te"):
            if !FieldBytes.isEqual(text, value, "trailers") { throw .malformedFieldName }
        case 4 where FieldBytes.isEqual(text, name, "host"):
            if host != nil { throw .repeatedHost }
            host = value
            return
        case 6 where FieldBytes.isEqual(text, name, "cookie"): return cookies.append(value)
        case 12 where FieldBytes.isEqual(text, name, "content-type"): block.isGRPC = Self.isGRPC(text, value)
        case 14 where FieldBytes.isEqual(text, name, "content-length"):
            hasLength = true
            guard let length = Self.number(text, value) else { throw .malformedLength }
            block.length = length
        default: break
        }
        keep(name.lowerBound..<(value.upperBound + 2), text, &out)
    }

    /// Lines that stand side by side are copied at once.
    private mutating func keep(_ line: Range<Int>, _ text: UnsafeRawBufferPointer, _ out: inout WireBuffer) {
        if run.upperBound == line.lowerBound {
            run = run.lowerBound..<line.upperBound
        } else {
            out.append(UnsafeRawBufferPointer(rebasing: text[run]))
            run = line
        }
    }

    /// After the last field. `isWhole`: no body follows.
    mutating func finish(isWhole: Bool, _ text: UnsafeRawBufferPointer, into out: inout WireBuffer) {
        if block.fault != nil { return }
        do throws(WireError) { try end(isWhole, text, &out) } catch { fail(error, text) }
    }

    private mutating func end(
        _ isWhole: Bool, _ text: UnsafeRawBufferPointer, _ out: inout WireBuffer
    ) throws(WireError) {
        if !pseudo.isOver { try pseudo.finish(text, into: &out) }
        out.append(UnsafeRawBufferPointer(rebasing: text[run]))
        // Crumbs of one cookie field, split so that they compress (RFC 9113 8.2.3).
        for (index, crumb) in cookies.enumerated() {
            out.append(index == 0 ? "cookie: " : "; ")
            out.append(UnsafeRawBufferPointer(rebasing: text[crumb]))
        }
        if !cookies.isEmpty { out.append("\r\n") }
        if let authority = pseudo.authority ?? host {
            out.append("host: ")
            out.append(UnsafeRawBufferPointer(rebasing: text[authority]))
            out.append("\r\n")
        }
        if let authority = pseudo.authority, let host, !Self.isSameHost(text, authority, host) { throw .malformedHost }
        block.isHead = pseudo.method.map { FieldBytes.isEqual(text, $0, "HEAD") } ?? false
        block.isChunked = !isWhole && !hasLength
        out.append(block.isChunked ? "transfer-encoding: chunked\r\n\r\n" : "\r\n")
    }

    private static func isSameHost(_ text: UnsafeRawBufferPointer, _ one: Range<Int>, _ other: Range<Int>) -> Bool {
        func lower(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
        return one.count == other.count && zip(one, other).allSatisfy { lower(text[$0]) == lower(text[$1]) }
    }

    /// `application/grpc` and its subtypes, but not gRPC-Web, which has trailers of its own in the body.
    private static func isGRPC(_ text: UnsafeRawBufferPointer, _ value: Range<Int>) -> Bool {
        let end = value.lowerBound + 16
        guard value.count >= 16, FieldBytes.isEqual(text, value.lowerBound..<end, "application/grpc") else {
            return false
        }
        return value.count == 16 || text[end] == 0x2b || text[end] == Octet.semicolon
    }

    /// Any number of zeros may stand before it, as for the parser of the lines: what one counts the other must count as well.
    private static func number(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) -> UInt64? {
        if range.isEmpty { return nil }
        var number: UInt64 = 0
        for place in range {
            let digit = text[place] &- Octet.zero
            guard digit < 10, number < UInt64(Int64.max) / 10 else { return nil }
            number = number * 10 + UInt64(digit)
        }
        return number
    }
}
