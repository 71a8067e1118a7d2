/// A recorded run put through the reducer again: the same decisions must come out, and no rule may be broken.
package struct PoolReplay: Sendable {
    /// The first line of a log.
    package struct Header: Codable, Sendable {
        package static let current = 1

        package var version: Int
        package var configuration: PoolConfiguration

        package init(_ configuration: PoolConfiguration) {
            version = Self.current
            self.configuration = configuration
        }

        private enum CodingKeys: String, CodingKey {
            case configuration
            case version = "fcctl_events"
        }
    }

    /// Any other line.
    package struct Line: Codable, Sendable {
        /// Nanoseconds, event and decisions; or how many events are missing here.
        package var t: Int64?
        package var e: String?
        package var a: [String]?
        package var gap: Int?
    }

    package struct Result: Sendable, Codable, Equatable {
        package var events = 0
        package var decisions = 0
        package var seconds = 0.0
        package var requests = 0
        package var machines = 0
        package var violations: [String] = []
        package var differences: [String] = []
        /// Events left out where the replay had to end. Nil: the log is whole.
        package var gap: Int?
    }

    package private(set) var result = Result()
    private var state: PoolState
    private var ledger: PoolLedger
    private var first: PoolTime?

    /// More lines of either kind say nothing new.
    private static let most = 10

    package init(_ header: Header) {
        state = PoolState(configuration: header.configuration)
        ledger = PoolLedger(concurrency: state.configuration.concurrency)
    }

    /// Applies one line; false for one that makes no sense.
    package mutating func apply(_ line: Line) -> Bool {
        if result.gap != nil { return true }
        if let gap = line.gap {
            result.gap = gap
            return true
        }
        guard let time = line.t, let code = line.e, let recorded = line.a, let event = PoolEvent(code: code) else {
            return false
        }
        let stamp = PoolTime(nanoseconds: time)
        let actions = state.handle(event, at: stamp)
        result.events += 1
        result.decisions += actions.count
        result.seconds = Double(stamp - (first ?? stamp)) / 1e9
        if first == nil { first = stamp }
        count(event, actions)
        let decided = actions.map(\.code)
        if decided != recorded, result.differences.count < Self.most {
            result.differences.append("event \(result.events), \(code): recorded \(recorded), now \(decided)")
        }
        for rule in state.violations() + ledger.book(event, actions) where result.violations.count < Self.most {
            result.violations.append("event \(result.events), \(code): \(rule)")
        }
        return true
    }

    private mutating func count(_ event: PoolEvent, _ actions: [PoolAction]) {
        if case .requestArrived = event { result.requests += 1 }
        result.machines += actions.count { if case .start = $0 { true } else { false } }
    }
}
