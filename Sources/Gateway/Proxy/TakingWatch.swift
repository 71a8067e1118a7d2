import Glibc
import NIOCore

/// Whether a client takes what was written for it.
///
/// Of what waits when a span begins it must take everything before the span ends, or as much as the rate asks for. So one that
/// is owed nothing is never slow, however long it waits, and one that takes little by little is told from one that takes nothing,
/// although the kernel holds megabytes for either and says that there is room again only when a third of them is gone.
struct TakingWatch {
    enum Verdict { case owedNothing, keepsUp, tooSlow }

    /// When the span is over. Zero: none has begun.
    private(set) var end: UInt64 = 0
    private var written = 0
    private var owed = 0

    /// What was written so far, and how much of it is not taken yet. Begins a span when there is none.
    mutating func look(written: Int, owed: Int, now: UInt64, span: UInt64, rate: Int) -> Verdict {
        guard owed > 0, span > 0 else {
            end = 0
            return .owedNothing
        }
        if end > now { return .keepsUp }
        let least = max(1, Int(Double(rate) * Double(span) / 1_000_000_000))
        let isSlow = end > 0 && self.owed + written - self.written - owed < min(self.owed, least)
        (end, self.written, self.owed) = (now &+ span, written, owed)
        return isSlow ? .tooSlow : .keepsUp
    }

    mutating func forget() { end = 0 }
}

extension ChannelHandlerContext {
    /// Bytes that the peer of this connection has not acknowledged: those that the kernel did not take, and those it holds.
    var unacknowledged: Int {
        // A channel that cannot tell has nothing more to give.
        let waiting = (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        let held = try? pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { socket in
            var count: Int32 = 0
            return ioctl(socket, UInt(TIOCOUTQ), &count) == 0 ? Int(count) : 0
        }
        return waiting + (held ?? 0)
    }

    /// Has the kernel drop what it holds for the peer, and tell it so, when the connection is closed.
    func resetsWhenClosed() {
        (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenFailure { _ in }
    }
}
