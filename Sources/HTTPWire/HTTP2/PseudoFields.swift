/// The fields of a request that begin with a colon: each once, before all others (RFC 9113 8.3.1).
struct PseudoFields {
    private(set) var method: Range<Int>?
    private(set) var authority: Range<Int>?
    /// Another field has come.
    private(set) var isOver = false
    private var path: Range<Int>?
    private var scheme: Range<Int>?

    mutating func take(
        _ name: Range<Int>, _ value: Range<Int>, _ text: UnsafeRawBufferPointer
    ) throws(WireError) {
        if isOver { throw .malformedFieldName }
        guard FieldBytes.isVisible(text, value) else { throw .malformedTarget }
        if FieldBytes.isEqual(text, name, ":method") {
            try Self.set(&method, value)
        } else if FieldBytes.isEqual(text, name, ":path") {
            try Self.set(&path, value)
        } else if FieldBytes.isEqual(text, name, ":scheme") {
            try Self.set(&scheme, value)
        } else if FieldBytes.isEqual(text, name, ":authority") {
            try Self.set(&authority, value)
        } else {
            throw .malformedFieldName
        }
    }

    private static func set(_ field: inout Range<Int>?, _ value: Range<Int>) throws(WireError) {
        if field != nil { throw .malformedRequestLine }
        field = value
    }

    /// Checks what they say together, and writes the request line.
    mutating func finish(_ text: UnsafeRawBufferPointer, into out: inout WireBuffer) throws(WireError) {
        isOver = true
        guard let method, !method.isEmpty else { throw .malformedRequestLine }
        if FieldBytes.isEqual(text, method, "CONNECT") { throw .connectRefused }
        guard let path, let first = path.first else { throw .malformedTarget }
        let isAsterisk = FieldBytes.isEqual(text, path, "*") && FieldBytes.isEqual(text, method, "OPTIONS")
        guard text[first] == Octet.slash || isAsterisk else { throw .malformedTarget }
        guard let scheme, FieldBytes.isEqual(text, scheme, "http") || FieldBytes.isEqual(text, scheme, "https") else {
            throw .malformedTarget
        }
        if authority?.isEmpty ?? false { throw .malformedHost }
        out.append(UnsafeRawBufferPointer(rebasing: text[method]))
        out.append(" ")
        out.append(UnsafeRawBufferPointer(rebasing: text[path]))
        out.append(" HTTP/1.1\r\n")
    }
}
