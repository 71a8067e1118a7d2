/// Which operation a user may ask for in which state; the only place that decides it.
package enum MachineOperation: String, Sendable, CaseIterable {
    case pause, resume, stop, delete

    /// nil when the operation is legal, otherwise the refusal.
    package func refusal(for name: MachineName, in state: MachineRecord.State, force: Bool = false) -> MachineError? {
        let legal =
            switch (self, state) {
            case (.pause, .running), (.resume, .paused), (.stop, .running), (.stop, .paused), (.delete, .stopped): true
            case (.delete, .running), (.delete, .paused): force
            default: false
            }
        return legal ? nil : .illegal(operation: rawValue, name, state: state)
    }
}

/// What a look at the host says about a recorded machine.
package enum MachineVerdict: Equatable, Sendable {
    /// The record is right.
    case asRecorded
    /// It ran and its VMM is gone: free what is left of it, keep the record and the log for the user.
    case ended
    /// Its start or its gateway died before anyone could own it: remove everything.
    case orphaned

    /// `vmmAlive` and `starterAlive`: the recorded process is there and the same. `gatewayAlive`: somebody holds the lock
    /// of the gateway that owns the machine.
    package static func judge(
        _ record: MachineRecord, bootID: String, vmmAlive: Bool, starterAlive: Bool, gatewayAlive: Bool
    ) -> MachineVerdict {
        let sameBoot = record.bootID == bootID
        if case .gateway = record.owner {
            return sameBoot && gatewayAlive && starterAlive ? .asRecorded : .orphaned
        }
        if record.isTransient == true { return sameBoot && starterAlive ? .asRecorded : .orphaned }
        switch record.state {
        case .starting, .prepared: return sameBoot && starterAlive ? .asRecorded : .orphaned
        case .running, .paused: return sameBoot && vmmAlive ? .asRecorded : .ended
        case .stopped: return .asRecorded
        }
    }
}
