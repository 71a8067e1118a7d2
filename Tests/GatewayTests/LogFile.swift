import Gateway
import Glibc

/// A file, or a named pipe, for one test's access log.
final class LogFile: Sendable {
    let path: String
    private let folder: String

    init(pipe: Bool = false) throws {
        var template = Array("/tmp/fcctl-log-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw LogFileError.cannotMake }
        folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        path = folder + "/access.log"
        if pipe, mkfifo(path, 0o600) != 0 { throw LogFileError.cannotMake }
    }

    deinit {
        for name in [path, path + ".1"] { unlink(name) }
        rmdir(folder)
    }

    func configuration(_ format: AccessLogFormat = .json) -> AccessLogConfiguration {
        var configuration = AccessLogConfiguration()
        configuration.format = format
        configuration.destination = .file(path)
        return configuration
    }

    /// The whole lines that are there.
    func lines(_ suffix: String = "") -> [String] {
        guard let file = fopen(path + suffix, "r") else { return [] }
        defer { fclose(file) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { text += buffer[..<count] }
        return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    func rotate() { rename(path, path + ".1") }
}

enum LogFileError: Error { case cannotMake }
