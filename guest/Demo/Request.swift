/// One HTTP/1.1 request with its whole body.
struct Request {
    var method: [UInt8] = []
    var path: [UInt8] = []
    var query: [UInt8] = []
    var body: [UInt8] = []
    var keepsAlive = true

    /// The number after `name=` in the query.
    func number(_ name: String) -> Int? {
        guard let digits = value(name), !digits.isEmpty, digits.count <= 12 else { return nil }
        var number = 0
        for digit in digits {
            guard digit >= 0x30, digit <= 0x39 else { return nil }
            number = number * 10 + Int(digit - 0x30)
        }
        return number
    }

    /// The text after `name=` in the query, `%XX` and `+` decoded.
    func value(_ name: String) -> [UInt8]? {
        let prefix = Array(name.utf8) + [0x3d]
        guard let field = query.split(separator: 0x26).first(where: { $0.starts(with: prefix) }) else { return nil }
        var text: [UInt8] = []
        var rest = Array(field.dropFirst(prefix.count))[...]
        while let byte = rest.popFirst() {
            if byte == 0x25, let code = hexadecimal(rest.prefix(2)), rest.count >= 2 {
                text.append(UInt8(truncatingIfNeeded: code))
                rest.removeFirst(2)
            } else {
                text.append(byte == 0x2b ? 0x20 : byte)
            }
        }
        return text
    }
}

func hexadecimal(_ digits: some Collection<UInt8>) -> Int? {
    guard !digits.isEmpty, digits.count <= 8 else { return nil }
    var value = 0
    for digit in digits {
        switch digit {
        case 0x30...0x39: value = value << 4 | Int(digit - 0x30)
        case 0x41...0x46, 0x61...0x66: value = value << 4 | Int((digit | 0x20) - 0x57)
        default: return nil
        }
    }
    return value
}

/// Takes requests out of a byte stream, however it is cut.
struct RequestParser {
    enum Result {
        case needsMore
        /// The client waits for permission to send its body.
        case wantsContinue
        case request(Request)
        /// An answer with this status, then the end of the connection.
        case refused(Int)
    }

    private var buffer: [UInt8] = []
    private var hasContinued = false
    private static let maximumHead = 64 << 10
    private static let maximumBody = 16 << 20

    mutating func append(_ bytes: some Sequence<UInt8>) { buffer.append(contentsOf: bytes) }

    mutating func next() -> Result {
        guard let headEnd = headLength() else { return buffer.count > Self.maximumHead ? .refused(431) : .needsMore }
        let lines = buffer[..<headEnd].split(separator: 0x0a)
            .map { $0.last == 0x0d ? $0.dropLast() : $0 }.filter { !$0.isEmpty }
        let words = lines.first?.split(separator: 0x20) ?? []
        guard words.count == 3, words[2].starts(with: Array("HTTP/1.".utf8)) else { return .refused(400) }
        var request = Request()
        request.method = Array(words[0])
        let target = words[1].split(separator: 0x3f, maxSplits: 1, omittingEmptySubsequences: false)
        request.path = Array(target[0])
        request.query = target.count > 1 ? Array(target[1]) : []
        request.keepsAlive = words[2].last == 0x31
        var length = 0
        var isChunked = false
        var expects = false
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: 0x3a) else { return .refused(400) }
            let name = lowercased(line[..<colon])
            let value = lowercased(trimmed(line[(colon + 1)...]))
            if name == Array("content-length".utf8) {
                guard let number = decimal(value) else { return .refused(400) }
                length = number
            } else if name == Array("transfer-encoding".utf8) {
                guard value == Array("chunked".utf8) else { return .refused(501) }
                isChunked = true
            } else if name == Array("connection".utf8) {
                if value == Array("close".utf8) { request.keepsAlive = false }
                if value == Array("keep-alive".utf8) { request.keepsAlive = true }
            } else if name == Array("expect".utf8) {
                expects = value == Array("100-continue".utf8)
            }
        }
        guard length <= Self.maximumBody, buffer.count <= Self.maximumBody * 2 else { return .refused(413) }
        let end: Int
        if isChunked {
            switch chunkedBody(from: headEnd) {
            case .some(let found): (request.body, end) = found
            case .none: return incomplete(expects)
            }
        } else {
            end = headEnd + length
            guard buffer.count >= end else { return incomplete(expects) }
            request.body = Array(buffer[headEnd..<end])
        }
        guard end > 0 else { return .refused(400) }
        buffer.removeFirst(end)
        hasContinued = false
        return .request(request)
    }

    private mutating func incomplete(_ expects: Bool) -> Result {
        guard expects, !hasContinued else { return .needsMore }
        hasContinued = true
        return .wantsContinue
    }

    /// Where the blank line after the head ends.
    private func headLength() -> Int? {
        var index = 0
        while let feed = buffer[index...].firstIndex(of: 0x0a) {
            if feed + 1 < buffer.count, buffer[feed + 1] == 0x0a { return feed + 2 }
            if feed + 2 < buffer.count, buffer[feed + 1] == 0x0d, buffer[feed + 2] == 0x0a { return feed + 3 }
            index = feed + 1
        }
        return nil
    }

    /// The decoded body and where it ends; nil until it is complete; an end of 0 when it is malformed.
    private func chunkedBody(from start: Int) -> ([UInt8], Int)? {
        var body: [UInt8] = []
        var index = start
        while let feed = buffer[index...].firstIndex(of: 0x0a) {
            guard let size = hexadecimal(buffer[index..<feed].prefix { $0 != 0x0d && $0 != 0x3b }) else {
                return ([], 0)
            }
            guard body.count + size <= Self.maximumBody else { return ([], 0) }
            index = feed + 1
            if size == 0 {
                while let end = buffer[index...].firstIndex(of: 0x0a) {
                    if end - index <= 1 { return (body, end + 1) }
                    index = end + 1
                }
                return nil
            }
            guard buffer.count >= index + size + 2 else { return nil }
            body.append(contentsOf: buffer[index..<index + size])
            guard buffer[index + size] == 0x0d, buffer[index + size + 1] == 0x0a else { return ([], 0) }
            index += size + 2
        }
        return nil
    }

    private func decimal(_ digits: [UInt8]) -> Int? {
        guard !digits.isEmpty, digits.count <= 12 else { return nil }
        var value = 0
        for digit in digits {
            guard digit >= 0x30, digit <= 0x39 else { return nil }
            value = value * 10 + Int(digit - 0x30)
        }
        return value
    }

    private func lowercased(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        bytes.map { $0 >= 0x41 && $0 <= 0x5a ? $0 | 0x20 : $0 }
    }

    private func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var rest = bytes.drop { $0 == 0x20 || $0 == 0x09 }
        while let last = rest.last, last == 0x20 || last == 0x09 { rest.removeLast() }
        return rest
    }
}
