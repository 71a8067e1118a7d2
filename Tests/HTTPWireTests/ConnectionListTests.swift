import HTTPWire
import Testing

/// What a Connection field lists goes no further.
@Suite struct ConnectionListTests {
    private static func head(_ lines: [String]) -> [UInt8] {
        Array(("GET / HTTP/1.1\r\nHost: a\r\n" + lines.map { $0 + "\r\n" }.joined() + "\r\n").utf8)
    }

    @Test func `lines go that are listed, and no others, in any case and number`() throws {
        var generator = SeededGenerator(seed: 7)
        let names = ["a", "b", "A", "ab", "aB", "x-y", "X-Z", "accept", "Date", "host", "abc", "cookie"]
        for _ in 0..<500 {
            let fields = (0..<Int.random(in: 0...20, using: &generator)).map { _ in
                names.randomElement(using: &generator) ?? "a"
            }
            let lists = (0..<Int.random(in: 1...3, using: &generator)).map { _ in
                (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                    names.randomElement(using: &generator) ?? "a"
                }
            }
            let listed = Set(lists.joined().map { $0.lowercased() }).subtracting(["host", "date"])
            let lines =
                fields.filter { $0 != "host" }.map { "\($0): 1" }
                + lists.map { "Connection: \($0.joined(separator: " , "))" }
            let kept = try parseRequest(Self.head(lines.shuffled(using: &generator)))?.fields ?? []
            for line in lines where !line.hasPrefix("Connection") {
                let name = String(line.prefix { $0 != ":" }).lowercased()
                #expect(kept.contains(line) == !listed.contains(name), "\(line) of \(lines)")
            }
        }
    }

    /// Sixteen thousand names in a head, against as many lines as there may be, were millions of comparisons.
    @Test func `a long list costs as much as any other field of its length`() throws {
        let value = String(repeating: "a,", count: 8000)
        let lines = (0..<100).map { "\(Character(Unicode.Scalar(UInt8(0x62 + $0 % 20)))): 1" }
        let lists = Self.head(lines + Array(repeating: "Connection: \(value)", count: 3))
        let others = Self.head(lines + Array(repeating: "X-Other-No: \(value)", count: 3))
        func time(_ head: [UInt8]) throws -> Duration {
            var best = Duration.seconds(60)
            for _ in 0..<5 {
                best = min(best, try ContinuousClock().measure { _ = try parseRequest(head) })
            }
            return best
        }
        let (long, plain) = (try time(lists), try time(others))
        #expect(long < plain * 20, "\(long), and \(plain)")
    }
}
