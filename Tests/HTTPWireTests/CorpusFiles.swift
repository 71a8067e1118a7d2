import Glibc
import HTTPWire
import Testing

/// Writes the corpora for the tests against other proxies (`Tests/PeerTests/run`), which are not in Swift.
@Suite struct CorpusFiles {
    static let folder = getenv("FCCTL_WRITE_CORPORA").map { String(cString: $0) }

    @Test(.enabled(if: folder != nil, "FCCTL_WRITE_CORPORA names no folder"))
    func `the corpora are written out`() throws {
        let folder = try #require(Self.folder)
        try Self.write(
            RequestCorpus.all.map { example in
                let framing = (try? parseRequest(example.bytes)).flatMap { $0?.framing }
                return [example.rule, Self.name(example.verdict), Self.name(framing), Self.hex(example.bytes)]
            }, to: "\(folder)/requests")
        try Self.write(
            ResponseCorpus.all.map { example in
                let framing = (try? parseResponse(example.bytes, isHead: example.isHead)).flatMap { $0?.framing }
                let method = example.isHead ? "HEAD" : "GET"
                return [example.rule, Self.name(example.verdict), Self.name(framing), method, Self.hex(example.bytes)]
            }, to: "\(folder)/responses")
    }

    private static func write(_ rows: [[String]], to path: String) throws {
        let file = try #require(fopen(path, "w"))
        for row in rows { fputs(row.joined(separator: "\t") + "\n", file) }
        #expect(fclose(file) == 0)
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func name(_ framing: BodyFraming?) -> String {
        switch framing {
        case nil, .some(.none): "none"
        case .length(let length): "\(length)"
        case .chunked: "chunked"
        case .untilClose: "close"
        }
    }

    private static func name(_ verdict: RequestVerdict) -> String {
        switch verdict {
        case .forwards: "forwards"
        case .refused: "refused"
        case .incomplete: "incomplete"
        }
    }

    private static func name(_ verdict: ResponseVerdict) -> String {
        switch verdict {
        case .forwards: "forwards"
        case .refused: "refused"
        case .incomplete: "incomplete"
        }
    }
}
