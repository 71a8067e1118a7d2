import Glibc
import GuestBoot
import LinuxHost
import SystemPackage

/// A blocking client of a guest's agent.
final class AgentConnection {
    let socket: Int32
    private var decoder = AgentDecoder()
    private var lastID: UInt32 = 0
    /// Everything that arrived, in order.
    private(set) var reports: [AgentReport] = []
    private(set) var uptimeNanoseconds: UInt64 = 0

    init(port: UInt16, milliseconds: Int = 5000) throws {
        socket = try connectLoopback(port, milliseconds: milliseconds)
    }

    func setPatience(milliseconds: Int) {
        MachineTests.setPatience(socket, milliseconds: milliseconds)
    }

    deinit {
        close(socket)
    }

    func greet() -> Bool {
        guard let report = try? call(.hello(version: AgentProtocol.version)),
            case .hello(AgentProtocol.version, let uptime) = report
        else { return false }
        uptimeNanoseconds = uptime
        return true
    }

    /// Sends a request and returns its answer.
    func call(_ request: AgentRequest) throws -> AgentReport {
        lastID += 1
        send(request.frame(id: lastID).encoded)
        while true {
            guard let (id, report) = try next() else { throw HostError("call", "the agent", .connectionReset) }
            if id == lastID { return report }
        }
    }

    func send(_ bytes: [UInt8]) {
        // A closed connection shows in the next read.
        _ = bytes.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// The next report, or nil when the guest closed the connection.
    func next() throws -> (UInt32, AgentReport)? {
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            if let frame = try decoder.next() {
                let report = try AgentReport(frame)
                reports.append(report)
                return (frame.id, report)
            }
            let count = chunk.withUnsafeMutableBytes { read(socket, $0.baseAddress, $0.count) }
            if count < 0, errno == EAGAIN { throw HostError("read from", "the agent", .timedOut) }
            if count <= 0 { return nil }
            decoder.append(chunk[..<count])
        }
    }

    /// Reads until a state satisfies `condition`.
    func waitForState(_ condition: (AppState) -> Bool) throws -> AppState {
        for case .state(let state) in reports where condition(state) { return state }
        while let (_, report) = try next() {
            if case .state(let state) = report, condition(state) { return state }
        }
        throw HostError("wait for", "a state of the app", .connectionReset)
    }

    /// Reads log text until it contains `text`.
    func waitForLog(_ text: String) throws {
        send(AgentRequest.logs(tailBytes: .max, follow: true).frame(id: .max).encoded)
        var log = ""
        while !log.contains(text) {
            guard let (_, report) = try next() else { throw HostError("read", "the log", .connectionReset) }
            if case .log(_, _, let bytes) = report { log += String(decoding: bytes, as: UTF8.self) }
        }
    }

    /// Subscribes to the log, reads until the guest closes, and returns how the app ended and what it wrote.
    func followToEnd(subscribe: Bool = true) throws -> (exit: AppExit?, log: String) {
        if subscribe { send(AgentRequest.logs(tailBytes: .max, follow: true).frame(id: .max).encoded) }
        while let _ = try? next() {}  // a reset by the dying guest is an end as well
        var exit: AppExit?
        var log: [UInt8] = []
        for report in reports {
            if case .state(let state) = report, case .ended(let how) = state.phase { exit = how }
            if case .log(_, _, let bytes) = report { log += bytes }
        }
        return (exit, String(decoding: log, as: UTF8.self))
    }
}
