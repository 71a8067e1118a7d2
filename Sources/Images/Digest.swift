/// A `sha256:` digest: the only algorithm that images in use have.
package struct Digest: Sendable, Hashable, CustomStringConvertible {
    /// 64 lower-case hexadecimal digits: safe as a file name.
    package let hexadecimal: String

    /// nil unless `text` is `sha256:` and 64 lower-case hexadecimal digits.
    package init?(_ text: String) {
        guard text.hasPrefix("sha256:") else { return nil }
        self.init(hexadecimal: String(text.dropFirst(7)))
    }

    init?(hexadecimal: String) {
        let isDigit = { (byte: UInt8) in (48...57).contains(byte) || (97...102).contains(byte) }
        guard hexadecimal.utf8.count == 64, hexadecimal.utf8.allSatisfy(isDigit) else { return nil }
        self.hexadecimal = hexadecimal
    }

    package var description: String { "sha256:" + hexadecimal }
    /// Enough of the digest to recognise it in a message.
    var short: String { String(hexadecimal.prefix(12)) }
}
