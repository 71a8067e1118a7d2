import FoundationEssentials
import Glibc

/// Data goes to stdout, talk to stderr; nothing else in the program prints.
enum Output {
    static func data(_ text: String) {
        write(text + "\n", to: 1)
    }

    /// Bytes of a log, as they are.
    static func raw(_ bytes: [UInt8]) {
        write(bytes, to: 1)
    }

    static func talk(_ text: String) {
        write(text + "\n", to: 2)
    }

    static func json(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        data(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    static let stderrIsTerminal = isatty(2) == 1
    static let stdoutIsTerminal = isatty(1) == 1

    static func write(_ text: String, to descriptor: Int32) {
        write(Array(text.utf8), to: descriptor)
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                return  // the reader has gone; there is nobody to tell
            }
            rest = rest.dropFirst(count)
        }
    }
}

extension String {
    /// Control characters made visible, so that a guest's text cannot drive the user's terminal.
    var terminalSafe: String {
        var safe = ""
        for scalar in unicodeScalars {
            if scalar == "\n" || scalar == "\t" || (scalar.value >= 0x20 && !(0x7f...0x9f).contains(scalar.value)) {
                safe.unicodeScalars.append(scalar)
            } else if scalar != "\r" {
                safe += "\\x" + hexadecimalByte(UInt8(truncatingIfNeeded: scalar.value))
            }
        }
        return safe
    }

    private func hexadecimalByte(_ byte: UInt8) -> String {
        let text = String(byte, radix: 16)
        return text.count == 1 ? "0" + text : text
    }
}
