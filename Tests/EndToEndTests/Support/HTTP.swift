import FoundationEssentials
import SystemPackage

/// An HTTP answer as curl saw it.
struct Answer: CustomStringConvertible {
    let status: Int
    /// Names in lower case.
    let headers: [String: String]
    let body: String

    /// From what `curl --include` prints; 1xx heads before the answer are skipped.
    init?(_ text: String) {
        var rest = text[...]
        while true {
            guard let end = rest.firstRange(of: "\r\n\r\n") else { return nil }
            let lines = rest[..<end.lowerBound].split(separator: "\r\n")
            let words = lines.first?.split(separator: " ") ?? []
            guard words.count >= 2, let status = Int(words[1]) else { return nil }
            rest = rest[end.upperBound...]
            if status < 200 { continue }
            self.status = status
            headers = Dictionary(
                lines.dropFirst().compactMap { line -> (String, String)? in
                    guard let colon = line.firstIndex(of: ":") else { return nil }
                    let value = line[line.index(after: colon)...].drop { $0 == " " }
                    return (line[..<colon].lowercased(), String(value))
                }, uniquingKeysWith: { first, _ in first })
            body = String(rest)
            return
        }
    }

    var description: String { "\(status) \(headers) \(body)" }

    func json<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try JSONDecoder().decode(type, from: Data(body.utf8))
    }
}

enum HTTP {
    /// One request by curl, started and not waited for.
    static func start(_ url: String, _ options: [String] = [], within seconds: Int = 90) throws -> Program {
        try Program(
            "curl", ["--silent", "--show-error", "--include", "--max-time", "\(seconds)"] + options + [url],
            environment: ["PATH": "/usr/bin:/bin"])
    }

    static func get(_ url: String, _ options: [String] = [], within seconds: Int = 90) throws -> Answer {
        try answer(of: try start(url, options, within: seconds), within: seconds)
    }

    static func answer(of request: Program, within seconds: Int = 90) throws -> Answer {
        try request.wait(within: seconds + 5)
        guard let answer = Answer(request.stdout) else {
            throw Program.TimedOut(description: "no answer: \(request.story)")
        }
        return answer
    }
}
