@testable import MachinePool

/// A pool driven step by step, with time in milliseconds.
struct Steps {
    var state: PoolState
    private(set) var time = 1
    private(set) var actions: [PoolAction] = []
    private var tickets: UInt64 = 0

    init(_ change: (inout PoolConfiguration) -> Void = { _ in }) {
        var configuration = PoolConfiguration()
        configuration.min = 0
        change(&configuration)
        state = PoolState(configuration: configuration)
    }

    @discardableResult
    mutating func send(_ event: PoolEvent) -> [PoolAction] {
        actions = state.handle(event, at: PoolTime(nanoseconds: Int64(time) * 1_000_000)).filter {
            if case .wake = $0 { false } else { true }
        }
        return actions
    }

    @discardableResult
    mutating func request(priority: Bool = false) -> Ticket {
        tickets += 1
        let ticket = Ticket(number: tickets)
        send(.requestArrived(ticket, priority: priority))
        return ticket
    }

    mutating func pass(_ milliseconds: Int) {
        time += milliseconds
        send(.timerFired)
    }

    /// Lets time pass in steps, as the shell's timer would.
    mutating func live(seconds: Int) -> [PoolAction] {
        var all: [PoolAction] = []
        for _ in 0..<(seconds * 10) {
            pass(100)
            all += actions
        }
        return all
    }

    mutating func ready(_ slot: Int, _ generation: UInt64) { send(.machine(.ready(machine(slot, generation)))) }
    mutating func end(_ slot: Int, _ generation: UInt64, _ outcome: LeaseOutcome = .ok) {
        send(.leaseEnded(machine(slot, generation), outcome, held: 1_000_000))
    }

    func machine(_ slot: Int, _ generation: UInt64) -> MachineRef { MachineRef(slot: slot, generation: generation) }
}

extension PoolAction {
    /// `grant 3 on 0.1 idle` and so on, short enough to compare.
    var line: String {
        switch self {
        case .grant(let ticket, let grant): "grant \(ticket.number) on \(grant.machine) \(grant.startKind)"
        case .reject(let ticket, let rejection): "reject \(ticket.number) \(rejection.label)"
        case .start(let machine, let method): "\(method) \(machine)"
        case .pause(let machine): "pause \(machine)"
        case .resume(let machine): "resume \(machine)"
        case .stop(let machine, let reason): "stop \(machine) \(reason)"
        case .wake: "wake"
        case .circuit(let open): open ? "open" : "close"
        case .drained: "drained"
        }
    }
}

extension Steps {
    var lines: [String] { actions.map(\.line) }
}
