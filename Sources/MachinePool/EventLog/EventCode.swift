/// Events as words: `end 3.17 ok 20131`. What is free text stands last.
extension PoolEvent {
    package var code: String {
        switch self {
        case .requestArrived(let ticket, let priority): "arrive \(ticket.number)" + (priority ? " first" : "")
        case .requestExpected: "expect"
        case .requestCancelled(let ticket): "leave \(ticket.number)"
        case .leaseEnded(let machine, let outcome, let held): "end \(machine) \(outcome.rawValue) \(held)"
        case .machine(.ready(let machine)): "ready \(machine)"
        case .machine(.paused(let machine)): "paused \(machine)"
        case .machine(.resumed(let machine)): "resumed \(machine)"
        case .machine(.failed(let machine, let reason)): "failed \(machine) \(reason)"
        case .machine(.gone(let machine, let reason)): "gone \(machine)" + (reason.map { " \($0)" } ?? "")
        case .snapshotAvailable(let available): available ? "snapshot yes" : "snapshot no"
        case .memoryBudget(let bytes): "memory " + (bytes.map { "\($0)" } ?? "any")
        case .timerFired: "timer"
        case .drainStarted(let deadline): "drain \(deadline.nanoseconds)"
        }
    }

    /// Nil for what `code` never is.
    package init?(code: String) {
        let words = code.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
        func number(_ index: Int) -> Int64? { index < words.count ? Int64(words[index]) : nil }
        func ticket() -> Ticket? { number(1).map { Ticket(number: UInt64(clamping: $0)) } }
        func machine() -> MachineRef? { words.count > 1 ? MachineRef(words[1]) : nil }
        func text() -> String? {
            let parts = code.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
            return parts.count > 2 ? String(parts[2]) : nil
        }
        let event: PoolEvent? =
            switch words.first {
            case "arrive": ticket().map { .requestArrived($0, priority: words.count > 2 && words[2] == "first") }
            case "expect": .requestExpected
            case "leave": ticket().map { .requestCancelled($0) }
            case "end":
                machine().flatMap { machine in
                    guard words.count > 3, let outcome = LeaseOutcome(rawValue: String(words[2])) else { return nil }
                    return number(3).map { .leaseEnded(machine, outcome, held: $0) }
                }
            case "ready": machine().map { .machine(.ready($0)) }
            case "paused": machine().map { .machine(.paused($0)) }
            case "resumed": machine().map { .machine(.resumed($0)) }
            case "failed": machine().map { .machine(.failed($0, reason: text() ?? "")) }
            case "gone": machine().map { .machine(.gone($0, reason: text())) }
            case "snapshot": .snapshotAvailable(words.last == "yes")
            case "memory": words.last == "any" ? .memoryBudget(nil) : number(1).map { .memoryBudget($0) }
            case "timer": .timerFired
            case "drain": number(1).map { .drainStarted(deadline: .nanoseconds($0)) }
            default: nil
            }
        guard let event else { return nil }
        self = event
    }
}

extension PoolAction {
    /// A decision as words, with everything that it decides: two are equal if their codes are.
    package var code: String {
        switch self {
        case .grant(let ticket, let grant):
            "grant \(ticket.number) \(grant.machine) \(grant.startKind.rawValue) \(grant.queued) \(grant.started)"
        case .reject(let ticket, let rejection):
            "reject \(ticket.number) \(rejection.label)"
                + (rejection.retryAfter.map { " \($0.nanoseconds / 1_000_000_000)" } ?? "")
        case .start(let machine, let method): "\(method.rawValue) \(machine)"
        case .pause(let machine): "pause \(machine)"
        case .resume(let machine): "resume \(machine)"
        case .stop(let machine, let reason): "stop \(machine) \(reason.rawValue)"
        case .wake(let time): "wake \(time.nanoseconds)"
        case .circuit(let open): open ? "open" : "close"
        case .drained: "drained"
        }
    }
}

extension MachineRef {
    fileprivate init?(_ text: Substring) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let slot = Int(parts[0]), let generation = UInt64(parts[1]), slot >= 0 else {
            return nil
        }
        self.init(slot: slot, generation: generation)
    }
}
