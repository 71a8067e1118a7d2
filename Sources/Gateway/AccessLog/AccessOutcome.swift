import MachinePool

/// What a request came to. Times are microseconds.
struct AccessOutcome {
    /// As the client saw it. 499: it left before there was an answer, as nginx says.
    var status = 0
    var bytesIn: UInt64 = 0
    /// Head and body, framing included.
    var bytesOut: UInt64 = 0
    /// The part of `bytesOut` that is head.
    var headBytes: UInt64 = 0
    var queue: UInt64 = 0
    var start: UInt64 = 0
    var connect: UInt64 = 0
    var app: UInt64 = 0
    var total: UInt64 = 0
    /// Nil when no machine answered.
    var startKind: StartKind?
    var instance: [UInt8] = []
    /// One of a fixed set of names; nil when all went well.
    var error: String?
    var retries = 0
}
