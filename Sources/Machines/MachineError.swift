package import GuestBoot
package import Images
package import LinuxHost
package import Snapshots
package import VMM

/// Why something with a machine did not work; each case is one sentence that says what to do.
package enum MachineError: Error, CustomStringConvertible {
    case unknown(String)
    case ambiguous(String, [String])
    case nameTaken(MachineName)
    case badRecord(MachineID, reason: String)
    /// The operation makes no sense in the machine's present state.
    case illegal(operation: String, MachineName, state: MachineRecord.State)
    case ownedByGateway(MachineName, gateway: String)
    /// The app ended before it was ready.
    case appExited(AppExit, log: [String])
    case appNeverListened(port: UInt16, others: [UInt16], loopbackOnly: Bool, after: Duration, log: [String])
    case guestSilent(after: Duration, log: [String])
    /// The guest or its VMM ended without a word from the agent.
    case guestDied(log: [String])
    case kernelPanicked(KernelPanic)
    case noCommand(image: String)
    case guestBoot(GuestBootError)
    case vmm(VMMError)
    case host(HostError)
    case network(String)
    case image(ImageError)
    case snapshot(SnapshotError)
    /// A template was not made, or a clone of it is not usable; the text says why.
    case template(String)
    /// The first clone of a new template did not work, so nobody gets it.
    case canary(String)
    case cancelled

    package var description: String {
        switch self {
        case .unknown(let text): "there is no machine \(text); `fcctl list` shows those there are"
        case .ambiguous(let text, let found):
            "\(text) fits \(found.count) machines: \(found.joined(separator: ", ")); write more of the id"
        case .nameTaken(let name):
            "a machine named \(name) exists already; choose another --name or `fcctl delete \(name)`"
        case .badRecord(let id, let reason): "the record of machine \(id) cannot be used: \(reason)"
        case .illegal(let operation, let name, let state):
            "cannot \(operation) \(name): it is \(state.rawValue)" + MachineError.remedy(operation, name, state)
        case .ownedByGateway(let name, let gateway):
            "\(name) belongs to the running gateway \(gateway), which decides about it; stop the gateway instead"
        case .appExited(let exit, let log):
            "the app \(exit)" + (exit.message.isEmpty ? " before it was ready" + MachineError.quote(log) : "")
        case .appNeverListened(let port, let others, let loopbackOnly, let after, let log):
            MachineError.neverListened(port, others, loopbackOnly, after) + MachineError.quote(log)
        case .guestSilent(let after, let log):
            "the guest did not answer within \(after.components.seconds) s of its start; "
                + "give it longer with --start-timeout"
                + (log.isEmpty ? "" : MachineError.quote(log))
        case .guestDied(let log):
            "the guest ended before the app was ready" + MachineError.quote(log)
                + (log.isEmpty ? "; a kernel that is given far too little --mem ends so" : "")
        case .kernelPanicked(let panic):
            "the guest's kernel stopped before the app was ready: \(panic.reason)"
                + (panic.isOutOfMemory ? "; give the machine more --mem" : "")
        case .noCommand(let image): "\(image) has neither Entrypoint nor Cmd, so there is nothing to run in it"
        case .guestBoot(let error): error.description
        case .vmm(let error): error.description
        case .host(let error): error.description
        case .network(let text): text
        case .image(let error): error.description
        case .snapshot(let error): error.description
        case .template(let text): text
        case .canary(let text): "a first clone of the template did not work: \(text)"
        case .cancelled: "cancelled"
        }
    }

    private static func neverListened(
        _ port: UInt16, _ others: [UInt16], _ loopbackOnly: Bool, _ after: Duration
    ) -> String {
        let start = "the app did not listen on port \(port) within \(after.components.seconds) s"
        if loopbackOnly { return start + ": it listens on 127.0.0.1 only, make it listen on 0.0.0.0" }
        if others.isEmpty {
            return start + " and listens on no other; give it longer with --start-timeout or name its --app-port"
        }
        let list = others.map(String.init).joined(separator: ", ")
        return start + " but on \(list); use --app-port \(others[0])"
    }

    private static func remedy(_ operation: String, _ name: MachineName, _ state: MachineRecord.State) -> String {
        switch (operation, state) {
        case ("delete", .running), ("delete", .paused): "; stop it first or use --force"
        case (_, .stopped): "; `fcctl run` starts a new one"
        case ("pause", .paused), ("resume", .running): " already"
        default: ""
        }
    }

    private static func quote(_ log: [String]) -> String {
        log.isEmpty ? "; it printed nothing" : "; its last lines:\n" + log.map { "  | " + $0 }.joined(separator: "\n")
    }
}
