/// What each of the 256 byte values may be part of. One table load answers every question of the parsers.
enum ByteClass {
    /// RFC 9110 5.6.2 tchar: methods and field names.
    static let token: UInt8 = 1
    /// Field values and reason phrases: HTAB, SP, VCHAR, obs-text.
    static let value: UInt8 = 2
    /// A request target before its query. Wider than RFC 3986 by the marks that browsers send unescaped.
    static let path: UInt8 = 4
    /// A request target after `?`.
    static let query: UInt8 = 8
    /// A registered name or IPv4 address in Host: unreserved, sub-delims, percent.
    static let host: UInt8 = 16
    static let underscore: UInt8 = 32
    static let hex: UInt8 = 64

    static let table: [UInt8] = (0...255).map { classify(UInt8($0)) }

    private static func classify(_ byte: UInt8) -> UInt8 {
        let scalar = Unicode.Scalar(byte)
        let digit = (0x30...0x39).contains(byte)
        let alpha = (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
        var bits: UInt8 = 0
        if digit || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte) { bits |= hex }
        if digit || alpha || "!#$%&'*+-.^_`|~".unicodeScalars.contains(scalar) { bits |= token }
        if byte == 0x09 || (byte >= 0x20 && byte != 0x7f) { bits |= value }
        if digit || alpha || "-._~!$&'()*+,;=:@/%[]|^{}`".unicodeScalars.contains(scalar) { bits |= path | query }
        if byte == 0x3f || byte == 0x5c { bits |= query }
        if digit || alpha || "-._~!$&'()*+,;=%".unicodeScalars.contains(scalar) { bits |= host }
        if byte == 0x5f { bits |= underscore }
        return bits
    }
}

/// Bytes that have a meaning of their own.
enum Octet {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0a
    static let carriageReturn: UInt8 = 0x0d
    static let space: UInt8 = 0x20
    static let percent: UInt8 = 0x25
    static let asterisk: UInt8 = 0x2a
    static let comma: UInt8 = 0x2c
    static let dash: UInt8 = 0x2d
    static let slash: UInt8 = 0x2f
    static let zero: UInt8 = 0x30
    static let colon: UInt8 = 0x3a
    static let semicolon: UInt8 = 0x3b
    static let question: UInt8 = 0x3f
    static let at: UInt8 = 0x40
    static let openBracket: UInt8 = 0x5b
    static let closeBracket: UInt8 = 0x5d
}
