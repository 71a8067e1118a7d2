/// One slot: what the pool remembers of the machine in it.
struct MachineSlot: Sendable {
    /// Nil: the slot is free.
    var state: MachineState?
    var generation: UInt64 = 0
    var inflight = 0
    /// When the machine entered `state`.
    var since = PoolTime.zero
    /// When the boot, restore or resume that brought it up was asked for.
    var startedAt = PoolTime.zero
    /// When it last became ready by a start or resume.
    var readyAt: PoolTime?
    /// When it first became ready.
    var bornAt = PoolTime.zero
    var startCost: Int64 = 0
    var startKind = StartKind.booted
    /// How it came to be, and how long that took: a resume does not change these.
    var bornKind = StartKind.booted
    var bootCost: Int64?
    /// Requests answered, and failures in a row.
    var served = 0
    var strikes = 0
    /// A pausing machine that is to run again at once.
    var wanted = false
    /// The neighbours in the list that the machine is in.
    var next: Int32 = -1
    var previous: Int32 = -1
}
