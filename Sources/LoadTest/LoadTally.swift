/// What came of the requests of one phase.
package struct LoadTally: Sendable, Equatable {
    /// Responses that met a start, and what the gateway says it took, in milliseconds.
    package struct Starts: Sendable, Equatable {
        package var count = 0
        package var sum = 0.0
        package var average: Double? { count > 0 ? sum / Double(count) : nil }
    }

    package private(set) var total = 0
    package private(set) var succeeded = 0
    package var failed: Int { total - succeeded }
    /// By a few words each.
    package private(set) var failures: [String: Int] = [:]
    /// Of the requests that succeeded, and of those that were answered otherwise.
    package private(set) var latency = LatencyHistogram()
    package private(set) var failedLatency = LatencyHistogram()
    package private(set) var cold = Starts()
    package private(set) var warm = Starts()
    package private(set) var snapshot = Starts()

    package init() {}

    mutating func record(_ reply: Reply, latency span: Duration) {
        total += 1
        guard (200..<400).contains(reply.status) else {
            failedLatency.record(span)
            return count(failure: "HTTP \(reply.status)" + (reply.errorLabel.flatMap(Self.word).map { " " + $0 } ?? ""))
        }
        succeeded += 1
        latency.record(span)
        switch reply.startType {
        case "booted": Self.add(reply.startTime, to: &cold)
        case "resumed": Self.add(reply.startTime, to: &warm)
        case "restored": Self.add(reply.startTime, to: &snapshot)
        default: break
        }
    }

    mutating func record(_ failure: ExchangeFailure) {
        total += 1
        count(failure: failure.label)
    }

    package mutating func add(_ other: LoadTally) {
        total += other.total
        succeeded += other.succeeded
        for (failure, number) in other.failures.sorted(by: { $0.value > $1.value }) { count(failure: failure, number) }
        latency.add(other.latency)
        failedLatency.add(other.failedLatency)
        for starts in [\LoadTally.cold, \.warm, \.snapshot] {
            self[keyPath: starts].count += other[keyPath: starts].count
            self[keyPath: starts].sum += other[keyPath: starts].sum
        }
    }

    private static func add(_ time: Double?, to starts: inout Starts) {
        starts.count += 1
        if let time, time.isFinite { starts.sum += time }
    }

    /// The words come from the server: there may be so many of them, and no more.
    private mutating func count(failure: String, _ number: Int = 1) {
        failures[failures[failure] != nil || failures.count < 32 ? failure : "other", default: 0] += number
    }

    private static func word(_ text: String) -> String? {
        let isWord = text.utf8.allSatisfy { (0x61...0x7a).contains($0) || $0 == 0x2d || (0x30...0x39).contains($0) }
        return isWord && (1...40).contains(text.utf8.count) ? text : nil
    }
}
