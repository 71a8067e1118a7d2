/// What carries out the pool's decisions: real machines, processes, or the simulator.
///
/// Every call returns at once and its outcome is reported with `Pool.report`, possibly before the call returns. Calls
/// come one at a time, in the order in which they were decided, never under the pool's lock, on whichever thread made
/// the decision.
package protocol MachineDriver: Sendable {
    /// Answer: `ready`, or `failed`.
    func start(_ machine: MachineRef, _ method: StartMethod)
    /// Answer: `paused`, or `failed`. Upstream connections to the machine are to be closed first.
    func pause(_ machine: MachineRef)
    /// Answer: `resumed`, or `failed`.
    func resume(_ machine: MachineRef)
    /// Answer: `gone`, always, once everything is free. May come in any state, also while a start is under way.
    func stop(_ machine: MachineRef, reason: StopReason)
}
