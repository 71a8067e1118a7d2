/// Names one machine for its whole life; 12 hexadecimal digits, random, so that two state directories never clash.
package struct MachineID: Hashable, Sendable, Codable, CustomStringConvertible {
    package let text: String

    package init() {
        let digits = String(UInt64.random(in: 0..<(1 << 48)), radix: 16)
        text = String(repeating: "0", count: 12 - digits.count) + digits
    }

    /// nil unless `text` is 12 lower-case hexadecimal digits: a folder of another name is not ours.
    package init?(_ text: String) {
        guard text.utf8.count == 12, text.utf8.allSatisfy({ "0123456789abcdef".utf8.contains($0) }) else { return nil }
        self.text = text
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = MachineID(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a machine id")
        }
        self = id
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    package var description: String { text }
}

/// What users call a machine or a gateway: 1–63 of `a-z`, `0-9` and `-`, not starting or ending with `-`.
package struct MachineName: Hashable, Sendable, Codable, CustomStringConvertible {
    package let text: String

    package init?(_ text: String) {
        let allowed = "abcdefghijklmnopqrstuvwxyz0123456789-".utf8
        guard (1...63).contains(text.utf8.count), text.utf8.allSatisfy({ allowed.contains($0) }),
            text.first != "-", text.last != "-"
        else { return nil }
        self.text = text
    }

    /// The closest valid name to an image's: `docker-archive:/tmp/My_App.tar` becomes `my-app`.
    package init(afterImage image: String) {
        var base = image
        for scheme in ["docker-archive:", "oci-archive:", "oci:"] where base.hasPrefix(scheme) {
            base.removeFirst(scheme.count)
        }
        if base.hasSuffix("/") { base.removeLast() }
        base = base.split(separator: "/").last.map(String.init) ?? base
        base = base.split(separator: "@").first.map(String.init) ?? base
        for suffix in [".gz", ".zst", ".tar", ".tgz"] where base.hasSuffix(suffix) { base.removeLast(suffix.count) }
        base = base.split(separator: ":").first.map(String.init) ?? base
        let letters = base.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
        let words = String(letters).split(separator: "-").joined(separator: "-").prefix(48)
        text = words.isEmpty ? "image" : String(words.hasSuffix("-") ? words.dropLast() : words)
    }

    /// `name-N` for the N-th machine after one image.
    package func numbered(_ number: Int) -> MachineName {
        MachineName("\(text.prefix(56))-\(number)") ?? self
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let name = MachineName(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a machine name")
        }
        self = name
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    package var description: String { text }
}
