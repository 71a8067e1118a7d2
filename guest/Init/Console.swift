import CGuest

/// The kernel console: the only way to say something when no host is connected.
enum Console {
    static func write(_ text: String) {
        write(Array(text.utf8))
    }

    static func write(_ bytes: [UInt8]) {
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes {
                CGuest.write(2, $0.baseAddress?.advanced(by: offset), $0.count - offset)
            }
            if count < 0, g_errno() != EINTR { return }
            offset += max(0, count)
        }
    }
}

/// A step of the boot that failed; the guest cannot go on.
struct BootError: Error {
    let operation: String
    let code: Int32

    init(_ operation: String, _ code: Int32) {
        self.operation = operation
        self.code = code
    }

    /// Passes a result >= 0 through and turns `-errno` into an error.
    @discardableResult
    static func check(_ result: Int32, _ operation: String) throws(BootError) -> Int32 {
        if result < 0 { throw BootError(operation, -result) }
        return result
    }

    /// For functions of the C library that return -1 and set errno.
    static func require(_ result: Int32, _ operation: String) throws(BootError) {
        if result < 0 { throw BootError(operation, g_errno()) }
    }
}

func describe(errno code: Int32) -> String {
    strerror(code).map { String(cString: $0) } ?? "error \(code)"
}

/// The whole of a file of at most `limit` bytes, or nil.
func readFile(_ path: String, limit: Int) -> [UInt8]? {
    let file = g_open(path, O_RDONLY, 0)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8]()
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while bytes.count <= limit {
        let count = chunk.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
        if count < 0, g_errno() == EINTR { continue }
        if count < 0 { return nil }
        if count == 0 { return bytes }
        bytes.append(contentsOf: chunk[..<count])
    }
    return nil
}

/// Replaces whatever stands at `path`, a link included, by a file with these bytes.
func replaceFile(_ path: String, _ bytes: [UInt8]) {
    unlink(path)
    let file = g_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard file >= 0 else { return Console.write("fcctl: cannot write \(path): \(describe(errno: -file))\n") }
    _ = bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
    close(file)
}
