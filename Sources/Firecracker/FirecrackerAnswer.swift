/// What the API answered to one call.
struct FirecrackerAnswer: Hashable {
    /// No answer of the API is longer.
    static let longest = 1 << 20

    let status: Int
    let body: [UInt8]

    /// The answer that `bytes` are, nil while more of it is to come. An answer without a length has no body.
    static func parse(_ bytes: [UInt8]) throws(FirecrackerError) -> FirecrackerAnswer? {
        guard let end = endOfHead(bytes) else {
            if bytes.count > 16 << 10 { throw unreadable(bytes) }
            return nil
        }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first.map { $0.split(separator: " ", maxSplits: 2) } ?? []
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            throw unreadable(bytes)
        }
        var length = 0
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "content-length" else { continue }
            guard let value = Int(parts[1].filter { $0 != " " }), (0...longest).contains(value) else {
                throw unreadable(bytes)
            }
            length = value
        }
        let begin = end + 4
        guard bytes.count >= begin + length else { return nil }
        return FirecrackerAnswer(status: status, body: Array(bytes[begin..<(begin + length)]))
    }

    private static func endOfHead(_ bytes: [UInt8]) -> Int? {
        let blank: [UInt8] = [13, 10, 13, 10]
        return bytes.indices.first { bytes[$0...].starts(with: blank) }
    }

    private static func unreadable(_ bytes: [UInt8]) -> FirecrackerError {
        .undecodable(String(decoding: bytes.prefix(200), as: UTF8.self))
    }
}
