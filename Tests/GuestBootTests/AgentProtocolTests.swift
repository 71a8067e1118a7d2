import Glibc
import Testing

@testable import GuestBoot

@Suite struct AgentProtocolTests {
    static let requests: [AgentRequest] = [
        .hello(version: 1), .setClock(nanosecondsSinceEpoch: 1_700_000_000_123_456_789),
        .logs(tailBytes: 4096, follow: true), .logs(tailBytes: 0, follow: false), .stop(graceMilliseconds: 10_000),
        .status, .reseed([UInt8](repeating: 7, count: 32)), .ping,
    ]

    static let reports: [AgentReport] = [
        .hello(version: 1, uptimeNanoseconds: .max), .done, .failed(message: Array("no".utf8)), .failed(message: []),
        .log(.stderr, position: 1 << 40, bytes: Array("text\n\0\u{ff}".utf8)),
        .state(AppState(phase: .starting, appPort: 3000)),
        .state(
            AppState(
                phase: .loopbackOnly, appPort: 65535, startedNanoseconds: 5, listeningNanoseconds: 9,
                otherPorts: [
                    ListeningPort(number: 22, isLoopbackOnly: true), ListeningPort(number: 80, isLoopbackOnly: false),
                ])),
        .state(AppState(phase: .listening, appPort: 1)),
        .state(
            AppState(
                phase: .ended(AppExit(code: 127, signal: 0, message: Array("no such file: /app".utf8))), appPort: 80)),
        .state(AppState(phase: .ended(AppExit(code: 0, signal: 9, message: [])), appPort: 80)),
    ]

    @Test(arguments: requests) func `a request survives the wire`(_ request: AgentRequest) throws {
        let frame = try decode(request.frame(id: 0xdead_beef).encoded)
        #expect(frame.id == 0xdead_beef)
        #expect(try AgentRequest(frame) == request)
    }

    @Test(arguments: reports) func `a report survives the wire`(_ report: AgentReport) throws {
        let frame = try decode(report.frame(id: 7).encoded)
        #expect(frame.id == 7)
        #expect(try AgentReport(frame) == report)
    }

    @Test func `frames come out whole whatever pieces they arrive in`() throws {
        let bytes = Self.reports.flatMap { $0.frame(id: 3).encoded }
        for size in [1, 2, 3, 7, 64, bytes.count] {
            var decoder = AgentDecoder()
            var found: [AgentReport] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                decoder.append(bytes[start..<min(start + size, bytes.count)])
                while let frame = try decoder.next() { found.append(try AgentReport(frame)) }
            }
            #expect(found == Self.reports)
        }
    }

    @Test(arguments: [UInt32(0), 4, 65537, .max]) func `a forbidden length is refused at once`(_ length: UInt32) {
        var decoder = AgentDecoder()
        var writer = ByteWriter()
        writer.integer(length)
        decoder.append(writer.bytes)
        #expect(throws: AgentProtocolError.badLength(length)) { try decoder.next() }
    }

    @Test func `the largest frame passes`() throws {
        let frame = AgentFrame(type: 0x85, id: 1, body: [UInt8](repeating: 65, count: 65531))
        #expect(try decode(frame.encoded) == frame)
    }

    @Test func `bytes after the end of a body and unknown types are refused`() {
        for request in Self.requests {
            let frame = request.frame(id: 1)
            let longer = AgentFrame(type: frame.type, id: 1, body: frame.body + [0])
            #expect(throws: AgentProtocolError.malformed(type: frame.type)) { try AgentRequest(longer) }
        }
        let unknown = AgentFrame(type: 0x40, id: 1, body: [])
        #expect(throws: AgentProtocolError.unknownType(0x40)) { try AgentRequest(unknown) }
        #expect(throws: AgentProtocolError.unknownType(0x40)) { try AgentReport(unknown) }
        #expect(throws: AgentProtocolError.malformed(type: 6)) {
            try AgentRequest(AgentFrame(type: 6, id: 1, body: [UInt8](repeating: 0, count: 31)))
        }
    }

    @Test func `a state with more ports and text than fit is cut, not refused`() throws {
        let ports = (1...200).map { ListeningPort(number: $0, isLoopbackOnly: false) }
        let exit = AppExit(code: 1, signal: 0, message: [UInt8](repeating: 65, count: 5000))
        let report = AgentReport.state(AppState(phase: .ended(exit), appPort: 1, otherPorts: ports))
        guard case .state(let state) = try AgentReport(try decode(report.frame(id: 0).encoded)),
            case .ended(let cut) = state.phase
        else {
            Issue.record("not a state")
            return
        }
        #expect(state.otherPorts.count == AppState.maximumOtherPorts)
        #expect(cut.message.count == 1024)
    }

    @Test func `random and mutated frames never trap and never grow the decoder without bound`() {
        let seed = UInt64.random(in: .min ... .max)
        let rounds = getenv("FCCTL_FUZZ_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 50_000
        print("seed \(seed), \(rounds) rounds")
        var generator = SeededGenerator(seed: seed)
        let valid =
            Self.requests.map { $0.frame(id: 1).encoded } + Self.reports.map { $0.frame(id: 1).encoded }
        var decoder = AgentDecoder()
        var accepted = 0
        for _ in 0..<rounds {
            let bytes =
                Bool.random(using: &generator)
                ? generator.mutate(valid.randomElement(using: &generator) ?? []) : generator.bytes(upTo: 64)
            decoder.append(bytes)
            do {
                while let frame = try decoder.next() {
                    #expect(frame.body.count <= AgentProtocol.maximumLength)
                    // What decodes must encode to the same frame: there is one way to say each thing.
                    if let request = try? AgentRequest(frame) {
                        #expect(request.frame(id: frame.id) == frame)
                        accepted += 1
                    }
                    if let report = try? AgentReport(frame) {
                        _ = report.frame(id: frame.id)
                        accepted += 1
                    }
                }
            } catch {
                decoder = AgentDecoder()
            }
        }
        #expect(accepted > 0)
    }

    private func decode(_ bytes: [UInt8]) throws -> AgentFrame {
        var decoder = AgentDecoder()
        decoder.append(bytes)
        let frame = try #require(try decoder.next())
        #expect(try decoder.next() == nil)
        return frame
    }
}
