import Glibc
import HTTPWire
import Testing

/// Mutations of the corpora. `FCCTL_FUZZ_SEED` repeats a run, `FCCTL_FUZZ_RUNS` makes it longer.
@Suite struct FuzzTests {
    static let runs = getenv("FCCTL_FUZZ_RUNS").flatMap { Int(String(cString: $0)) } ?? 30_000
    static let seed = getenv("FCCTL_FUZZ_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 1 ... .max)

    @Test func `mutated requests never crash, and mean the same in pieces and after forwarding`() throws {
        var generator = SeededGenerator(seed: Self.seed)
        let corpus = RequestCorpus.all.map(\.bytes).filter { $0.count < 2000 }
        var accepted = 0
        for run in 0..<Self.runs {
            let bytes = Self.mutate(corpus, &generator)
            let whole = Result { try parseRequest(bytes) }
            let pieces = Result { try parseRequest(bytes, cuts: cuts(bytes.count, &generator)) }
            guard same(whole, pieces) else {
                Issue.record("seed \(Self.seed) run \(run): \(bytes) is \(whole), in pieces \(pieces)")
                return
            }
            guard case .success(let request?) = whole, let out = try forwardRequest(bytes) else { continue }
            accepted += 1
            guard !request.authority.isEmpty else { continue }
            var limits = HeadLimits()
            limits.fields = 200
            limits.head = 100_000
            let again = try? parseRequest(out, limits: limits)
            if again?.framing != request.framing || again?.method != request.method
                || again?.authority != request.authority || again?.length != out.count
            {
                Issue.record("seed \(Self.seed) run \(run): \(bytes) was forwarded as \(out)")
                return
            }
        }
        #expect(accepted > Self.runs / 20)
    }

    @Test func `mutated responses never crash, and mean the same in pieces and after forwarding`() throws {
        var generator = SeededGenerator(seed: Self.seed)
        let corpus = ResponseCorpus.all.map(\.bytes).filter { $0.count < 2000 }
        for run in 0..<Self.runs {
            let bytes = Self.mutate(corpus, &generator)
            let whole = Result { try parseResponse(bytes) }
            let pieces = Result { try parseResponse(bytes, cuts: cuts(bytes.count, &generator)) }
            guard same(whole, pieces) else {
                Issue.record("seed \(Self.seed) run \(run): \(bytes) is \(whole), in pieces \(pieces)")
                return
            }
            guard case .success(let response?) = whole, response.status >= 200 else { continue }
            let out = Array(try #require(try forwardResponse(bytes)).utf8)
            var limits = HeadLimits()
            limits.fields = 200
            let again = try? parseResponse(out, limits: limits)
            let expected: BodyFraming = response.framing == .untilClose ? .chunked : response.framing
            if again?.status != response.status || again?.framing != expected {
                // Bytes above ASCII that are not UTF-8 are altered by the test's own String, not by the writer.
                guard bytes.allSatisfy({ $0 < 0x80 }) else { continue }
                Issue.record("seed \(Self.seed) run \(run): \(bytes) was forwarded as \(out)")
                return
            }
        }
    }

    @Test func `mutated chunked bodies never crash, and mean the same in pieces`() throws {
        var generator = SeededGenerator(seed: Self.seed)
        let corpus = BodyTests.chunked.map(\.bytes).filter { $0.count < 200 }
        for run in 0..<Self.runs {
            let bytes = Self.mutate(corpus, &generator)
            let whole = Result { try decodeBody(bytes, .chunked) }
            let pieces = Result { try decodeBody(bytes, .chunked, cuts: cuts(bytes.count, &generator)) }
            guard same(whole, pieces) else {
                Issue.record("seed \(Self.seed) run \(run): \(bytes) is \(whole), in pieces \(pieces)")
                return
            }
        }
    }

    /// Changes, removes, repeats or splices a few bytes; line ends and separators more often than others.
    static func mutate(_ corpus: [[UInt8]], _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = corpus[Int.random(in: 0..<corpus.count, using: &generator)]
        let marks = Array("\r\n\r\n :\t,;=/%#?0\u{0}".utf8)
        for _ in 0..<Int.random(in: 0...3, using: &generator) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: bytes[at] = UInt8.random(in: .min ... .max, using: &generator)
            case 1: bytes[at] = marks[Int.random(in: 0..<marks.count, using: &generator)]
            case 2: bytes.remove(at: at)
            case 3: bytes.insert(marks[Int.random(in: 0..<marks.count, using: &generator)], at: at)
            case 4: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 20)], at: at)
            default:
                let other = corpus[Int.random(in: 0..<corpus.count, using: &generator)]
                if !other.isEmpty { bytes.replaceSubrange(at..., with: other[(other.count * at / bytes.count)...]) }
            }
        }
        return bytes
    }

    private func cuts(_ count: Int, _ generator: inout SeededGenerator) -> [Int] {
        guard count > 1 else { return [] }
        return (0..<Int.random(in: 1...4, using: &generator)).map { _ in Int.random(in: 1..<count, using: &generator) }
            .sorted()
    }
}
