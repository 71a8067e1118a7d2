/// What a load test must not exceed: `p99=250ms,errors=0`.
package struct FailCriteria: Sendable, Equatable {
    private enum Measure: String, Sendable {
        case p50, p95, p99, max
    }

    private enum Criterion: Sendable, Equatable {
        /// Milliseconds.
        case latency(Measure, Double)
        case errors(Int)
        case errorShare(Double)
    }

    private let criteria: [Criterion]

    /// Throws `LoadTestError.badCriterion`. A time without a unit is milliseconds.
    package init(_ text: String) throws(LoadTestError) {
        var criteria: [Criterion] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", omittingEmptySubsequences: false)
            guard sides.count == 2, let criterion = Self.criterion(String(sides[0]), sides[1]) else {
                throw .badCriterion(String(part))
            }
            criteria.append(criterion)
        }
        self.criteria = criteria
    }

    /// A sentence for each criterion that was not met; none when all were.
    package func violations(_ tally: LoadTally) -> [String] {
        criteria.compactMap { criterion in
            switch criterion {
            case .latency(let measure, let most):
                guard let value = Self.value(measure, tally.latency) else {
                    return "no request succeeded, so there is no \(measure.rawValue)"
                }
                return value > most ? "\(measure.rawValue) is \(value) ms, more than \(most) ms" : nil
            case .errors(let most):
                return tally.failed > most ? "\(tally.failed) requests failed, more than \(most)" : nil
            case .errorShare(let most):
                let share = tally.total > 0 ? Double(tally.failed) / Double(tally.total) * 100 : 100
                return share > most ? "\((share * 100).rounded() / 100) % of requests failed, more than \(most) %" : nil
            }
        }
    }

    private static func value(_ measure: Measure, _ latency: LatencyHistogram) -> Double? {
        switch measure {
        case .p50: latency.percentile(0.5)
        case .p95: latency.percentile(0.95)
        case .p99: latency.percentile(0.99)
        case .max: latency.maximum
        }
    }

    private static func criterion(_ name: String, _ value: Substring) -> Criterion? {
        if name == "errors" {
            if value.hasSuffix("%") { return number(value.dropLast()).map { .errorShare($0) } }
            return Int(value).flatMap { $0 >= 0 ? .errors($0) : nil }
        }
        guard let measure = Measure(rawValue: name) else { return nil }
        for (unit, factor) in [("ms", 1.0), ("us", 0.001), ("s", 1000), ("", 1)] where value.hasSuffix(unit) {
            return number(value.dropLast(unit.count)).map { .latency(measure, $0 * factor) }
        }
        return nil
    }

    private static func number(_ text: Substring) -> Double? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2e }) else { return nil }
        return Double(text)
    }
}
