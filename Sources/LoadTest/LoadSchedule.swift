/// The five phases of a load test.
package enum LoadPhase: String, Sendable, Codable, CaseIterable {
    case rampUp = "ramp-up"
    case sustained
    case burst
    case coolDown = "cool-down"
    case secondBurst = "second burst"
}

/// How many clients there are when. Pure: the generator asks it with the time that has passed.
package struct LoadSchedule: Sendable, Equatable {
    package struct Step: Sendable, Equatable {
        package let phase: LoadPhase
        package let users: Int
        package let from: Duration
        package let to: Duration
    }

    /// What a client does now.
    package enum Turn: Sendable, Equatable {
        case send(LoadPhase)
        case wait(until: Duration)
        case done
    }

    package let steps: [Step]
    package let maxConcurrency: Int

    /// Ramp-up in equal steps 1 → 3 → 5 → max, then max, then twice as many, then nobody, then twice as many again.
    package init(maxConcurrency: Int, duration: Duration) {
        let levels = [1, 3, 5].filter { $0 < maxConcurrency } + [maxConcurrency]
        var plan = levels.map { (LoadPhase.rampUp, $0, 0.2 / Double(levels.count)) }
        plan += [
            (.sustained, maxConcurrency, 0.3), (.burst, 2 * maxConcurrency, 0.15), (.coolDown, 0, 0.2),
            (.secondBurst, 2 * maxConcurrency, 0.15),
        ]
        var share = 0.0
        steps = plan.map { phase, users, part in
            defer { share += part }
            return Step(phase: phase, users: users, from: duration * share, to: duration * min(1, share + part))
        }
        self.maxConcurrency = maxConcurrency
    }

    package var end: Duration { steps.last?.to ?? .zero }

    /// The most clients there are at once.
    package var users: Int { steps.map(\.users).max() ?? 0 }

    package func phase(at elapsed: Duration) -> LoadPhase? { steps.first { elapsed < $0.to }?.phase }

    package func span(of phase: LoadPhase) -> (from: Duration, to: Duration) {
        let own = steps.filter { $0.phase == phase }
        return (own.first?.from ?? .zero, own.last?.to ?? .zero)
    }

    /// The turn of client number `user`, counted from 0, once it has its last answer.
    package func turn(of user: Int, at elapsed: Duration) -> Turn {
        for step in steps where elapsed < step.to && user < step.users {
            return elapsed >= step.from ? .send(step.phase) : .wait(until: step.from)
        }
        return .done
    }
}

/// Times at which an open loop sends, whether or not earlier requests were answered.
package struct ArrivalSchedule: Sequence, IteratorProtocol, Sendable {
    private let steps: [(step: LoadSchedule.Step, interval: Duration)]
    private var index = 0
    private var number = 0

    /// `rate` requests a second in the sustained phase; the other phases in proportion to their clients.
    package init(_ schedule: LoadSchedule, rate: Double) {
        steps = schedule.steps.filter { $0.users > 0 }.map { step in
            (step, .seconds(1) / (rate * Double(step.users) / Double(schedule.maxConcurrency)))
        }
    }

    package mutating func next() -> (at: Duration, phase: LoadPhase)? {
        while index < steps.count {
            let (step, interval) = steps[index]
            let at = step.from + interval * number
            if at < step.to {
                number += 1
                return (at, step.phase)
            }
            index += 1
            number = 0
        }
        return nil
    }
}
