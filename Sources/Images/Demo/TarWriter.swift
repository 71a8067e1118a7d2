/// Writes a plain tar in memory: short names, files and folders, root as the owner.
struct TarWriter {
    private(set) var bytes: [UInt8] = []
    private let time: Int

    init(time: Int) {
        self.time = time
    }

    mutating func folder(_ name: String, mode: Int) {
        header(name + "/", size: 0, mode: mode, type: "5")
    }

    mutating func file(_ name: String, _ content: [UInt8], mode: Int) {
        header(name, size: content.count, mode: mode, type: "0")
        bytes += content
        bytes.append(contentsOf: repeatElement(0, count: (512 - content.count % 512) % 512))
    }

    /// The archive with its end mark.
    mutating func finish() -> [UInt8] {
        bytes.append(contentsOf: repeatElement(0, count: 1024))
        return bytes
    }

    private mutating func header(_ name: String, size: Int, mode: Int, type: Unicode.Scalar) {
        precondition(name.utf8.count <= 100, "names in the demo image are short")
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            for (index, byte) in text.utf8.enumerated() { block[offset + index] = byte }
        }
        func octal(_ value: Int, _ digits: Int) -> String {
            let text = String(value, radix: 8)
            return String(repeating: "0", count: max(0, digits - text.count)) + text
        }
        put(name, at: 0)
        put(octal(mode, 7), at: 100)
        put(octal(0, 7), at: 108)
        put(octal(0, 7), at: 116)
        put(octal(size, 11), at: 124)
        put(octal(time, 11), at: 136)
        put("        ", at: 148)
        put(String(type), at: 156)
        put("ustar", at: 257)
        put("00", at: 263)
        let sum = block.reduce(0) { $0 + Int($1) }
        put(octal(sum, 6), at: 148)
        block[154] = 0
        bytes += block
    }
}
