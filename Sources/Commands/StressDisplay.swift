import LoadTest
import Synchronization

/// What a running load test shows: a live line on a terminal, a line for each phase elsewhere.
final class StressDisplay: Sendable {
    private struct State {
        var terminal = LiveTerminal()
        var phase: LoadPhase?
    }

    private let state = Mutex(State())
    private let quiet: Bool
    private let max: Int
    private let rate: Double?

    init(quiet: Bool, max: Int, rate: Double?) {
        self.quiet = quiet
        self.max = max
        self.rate = rate
    }

    func show(_ progress: LoadProgress) {
        guard !quiet else { return }
        state.withLock { state in
            if Output.stderrIsTerminal {
                Output.write(state.terminal.update(to: [Self.line(progress)]), to: 2)
            } else if let phase = progress.phase, phase != state.phase {
                Output.talk("fcctl: \(phase.rawValue): \(words(phase))")
            }
            state.phase = progress.phase
        }
    }

    func end() {
        guard !quiet, Output.stderrIsTerminal else { return }
        state.withLock { state in Output.write(state.terminal.update(to: []), to: 2) }
    }

    private static func line(_ progress: LoadProgress) -> String {
        let seconds = Int(progress.elapsed / .seconds(1))
        let latency = progress.tally.latency.percentile(0.95).map { " p95 \(StatusBlock.duration($0))" } ?? ""
        return "\(progress.phase?.rawValue ?? "last answers") \(seconds)s of \(Int(progress.end / .seconds(1)))s: "
            + "\(progress.underWay) under way, \(StatusBlock.grouped(progress.tally.total)) answered, "
            + "\(progress.tally.failed) failed\(latency)"
    }

    private func words(_ phase: LoadPhase) -> String {
        let load = { (factor: Int) in
            self.rate.map { "\($0 * Double(factor)) requests a second" } ?? "\(self.max * factor) clients"
        }
        return switch phase {
        case .rampUp: "up to \(load(1))"
        case .sustained: load(1)
        case .burst: "\(load(2)), which tests the queue"
        case .coolDown: "no load, machines may pause and go"
        case .secondBurst: "\(load(2)), which tests starts"
        }
    }
}
