import GuestBoot
import HostNetwork
import LinuxHost
import NIOConcurrencyHelpers
import NIOCore
import SystemPackage
import VMM

/// Waits for a booted guest: first for its agent, then for its app; or for the reason why neither comes.
struct StartWait: Sendable {
    let vm: any VirtualMachine
    let slot: Slot
    let loop: any EventLoop
    /// nil: the app serves nothing, so it is ready once it has been started.
    let appPort: UInt16?
    let timeout: Duration
    let folder: FilePath

    /// Milliseconds the kernel and the app took.
    typealias Outcome = (agent: AgentConnection, kernel: Double, app: Double)

    func untilReady() async throws(MachineError) -> Outcome {
        let agentBox = AgentBox()
        do {
            return try await withThrowingTaskGroup(of: Outcome?.self) { group in
                group.addTask { try await ready(agentBox) }
                group.addTask {
                    await vm.waitForExit()
                    try Task.checkCancellation()
                    // The agent's last word, if it is under way, explains more than the exit does.
                    try await Task.sleep(for: .milliseconds(300))
                    throw end
                }
                group.addTask {
                    try await Task.sleep(for: timeout)
                    return nil
                }
                defer { group.cancelAll() }
                while let outcome = try await group.next() {
                    if let outcome { return outcome }
                    throw await tooLate(agentBox.agent)
                }
                throw MachineError.cancelled
            }
        } catch let error as MachineError {
            throw error
        } catch {
            throw .cancelled
        }
    }

    private func ready(_ box: AgentBox) async throws -> Outcome {
        let clock = Stopwatch()
        let agent = try await connect()
        CrashPoint.agentConnected.reach()
        box.set(agent)
        let kernel = clock.lap()
        for await state in agent.states {
            switch state.phase {
            case .ended(let exit):
                // An app that was never expected to serve may end well at once.
                if appPort == nil, exit.code == 0, exit.signal == 0 { return (agent, kernel, clock.lap() - kernel) }
                throw await end(exit, agent)
            case .listening:
                return (agent, kernel, clock.lap() - kernel)
            case .starting, .loopbackOnly:
                if appPort == nil, state.startedNanoseconds > 0 { return (agent, kernel, clock.lap() - kernel) }
            }
        }
        try Task.checkCancellation()
        throw end
    }

    /// Why a guest ended that was not ready, as its PID 1 said on the console before it powered off.
    private var end: MachineError {
        switch LogTail.report(in: folder) {
        case .ended(let exit, let log): .appExited(exit, log: LogTail.lines(of: Array(log.utf8)))
        case .failed(let text): .guestDied(log: [text])
        case nil:
            if let panic = LogTail.panic(in: folder) {
                .kernelPanicked(panic)
            } else {
                .guestDied(log: LogTail.console(in: folder))
            }
        }
    }

    /// The app has ended and its guest is about to: the log from the agent, or else from the console.
    private func end(_ exit: AppExit, _ agent: AgentConnection) async -> MachineError {
        let log = await agent.tail()
        if log.isEmpty {
            // The guest was quicker than the question. It powers off by itself within moments.
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await vm.waitForExit() }
                // Cancelled as soon as the VMM is gone.
                group.addTask { try? await Task.sleep(for: .seconds(3)) }
                await group.next()
                group.cancelAll()
            }
            if case .appExited(_, let log) = end { return .appExited(exit, log: log) }
        }
        return .appExited(exit, log: log)
    }

    /// The guest's network comes up some time into the boot: try until it does, in slices so that a cancellation is seen.
    private func connect() async throws -> AgentConnection {
        while true {
            try Task.checkCancellation()
            if let agent = await attempt() { return agent }
        }
    }

    /// nil when the guest is not there yet; the caller's deadline decides how often this is repeated.
    private func attempt() async -> AgentConnection? {
        let (slot, loop) = (slot, loop)
        return await BlockingPool.run { () -> AgentConnection? in
            guard
                let socket = try? slot.connect(
                    port: AgentProtocol.port, deadline: .now + .milliseconds(250), refusal: .waits)
            else { return nil }
            return try? AgentConnection.open(socket, on: loop)
        }
    }

    private func tooLate(_ agent: AgentConnection?) async -> MachineError {
        guard let agent, let appPort, case .state(let state)? = try? await agent.request(.status, timeout: .seconds(2))
        else {
            return .guestSilent(after: timeout, log: LogTail.console(in: folder))
        }
        var loopbackOnly = false
        if case .loopbackOnly = state.phase { loopbackOnly = true }
        return .appNeverListened(
            port: appPort, others: state.otherPorts.filter { !$0.isLoopbackOnly }.map(\.number),
            loopbackOnly: loopbackOnly, after: timeout, log: await agent.tail())
    }
}

extension AgentConnection {
    /// The app's last lines; empty when the guest does not answer in time.
    func tail() async -> [String] {
        var bytes: [UInt8] = []
        for await chunk in logs(tail: 8192, follow: false) { bytes += chunk }
        return LogTail.lines(of: bytes)
    }
}

/// The connection, for the task that explains a time-out.
private final class AgentBox: Sendable {
    private let box = NIOLockedValueBox<AgentConnection?>(nil)
    var agent: AgentConnection? { box.withLockedValue { $0 } }
    func set(_ agent: AgentConnection) { box.withLockedValue { $0 = agent } }
}
