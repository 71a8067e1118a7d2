/// Where the load goes: an `http` URL in its parts.
package struct LoadTarget: Sendable, Equatable, CustomStringConvertible {
    package let host: String
    package let port: Int
    /// Path and query, as they go into the request line.
    package let path: String

    /// Throws `LoadTestError.badURL` for anything but `http://HOST[:PORT][/PATH][?QUERY]`.
    package init(_ text: String) throws(LoadTestError) {
        guard let colon = text.firstRange(of: "://") else { throw .badURL(text, "it must begin with http://") }
        let scheme = text[..<colon.lowerBound].lowercased()
        guard scheme == "http" else { throw .badURL(text, "only http is spoken, not \(scheme)") }
        var rest = text[colon.upperBound...]
        if let fragment = rest.firstIndex(of: "#") { rest = rest[..<fragment] }
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let (host, port) = try Self.split(rest[..<end], of: text)
        let path = String(rest[end...])
        guard path.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw .badURL(text, "blanks and letters beyond ASCII must be percent-encoded")
        }
        self.host = host
        self.port = port
        self.path = path.hasPrefix("/") ? path : "/" + path
    }

    private init(host: String, port: Int, path: String) {
        self.host = host
        self.port = port
        self.path = path
    }

    /// The same server, another resource.
    package func at(_ path: String) -> LoadTarget { LoadTarget(host: host, port: port, path: path) }

    /// For the Host field.
    package var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == 80 ? name : "\(name):\(port)"
    }

    package var description: String { "http://\(authority)\(path)" }

    private static func split(_ authority: Substring, of text: String) throws(LoadTestError) -> (String, Int) {
        guard !authority.contains("@") else { throw .badURL(text, "names and passwords are not sent") }
        var host = authority
        var port = 80
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            let digits = authority[authority.index(after: colon)...]
            guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(digits),
                (1...65_535).contains(number)
            else { throw .badURL(text, "the port is a number from 1 to 65535") }
            port = number
            host = authority[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        let allowed = { (byte: UInt8) in (0x21...0x7e).contains(byte) && byte != 0x5b && byte != 0x5d && byte != 0x5c }
        guard !host.isEmpty, host.utf8.allSatisfy(allowed) else { throw .badURL(text, "it names no host") }
        return (String(host), port)
    }
}
