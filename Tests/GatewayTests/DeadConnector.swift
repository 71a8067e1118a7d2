import Gateway
import Glibc
import MachinePool
import NIOConcurrencyHelpers

/// Gives connections, at first, whose other end is closed already: nothing can be sent over them.
struct DeadConnector: UpstreamConnector {
    let inner: any UpstreamConnector
    /// How many are dead.
    let times: NIOLockedValueBox<Int>
    /// How often it was asked for what is there already.
    let questions: NIOLockedValueBox<Int>

    init(inner: any UpstreamConnector, times: Int, questions: NIOLockedValueBox<Int> = .init(0)) {
        self.inner = inner
        self.questions = questions
        self.times = NIOLockedValueBox(times)
    }

    func connect(to machine: MachineRef, timeout: Duration) async throws(UpstreamError) -> Int32 {
        let isDead = times.withLockedValue { times in
            times -= 1
            return times >= 0
        }
        guard isDead else { return try await inner.connect(to: machine, timeout: timeout) }
        var ends: [Int32] = [0, 0]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw .unreachable("no socket pair") }
        close(ends[1])
        return ends[0]
    }

    func takeConnection(to machine: MachineRef) -> Int32? {
        questions.withLockedValue { $0 += 1 }
        return nil
    }

    func describe(_ machine: MachineRef) -> UpstreamDescription { inner.describe(machine) }
}
