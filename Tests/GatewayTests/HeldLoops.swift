import NIOConcurrencyHelpers
import NIOCore

/// Keeps event loops from doing anything, so that what happens meanwhile reaches them all at once.
struct HeldLoops {
    private let gate = ConditionLock(value: false)

    /// Returns when they stand still.
    init(_ group: any EventLoopGroup) async {
        let (held, continuation) = AsyncStream.makeStream(of: Void.self)
        var loops = 0
        for loop in group.makeIterator() {
            loops += 1
            // Not in the turn that is under way: what it has seen would come first in the next one.
            loop.scheduleTask(in: .milliseconds(5)) { [gate] in
                continuation.yield()
                gate.lock(whenValue: true)
                gate.unlock()
            }
        }
        for await _ in held.prefix(loops) {}
    }

    func release() {
        gate.lock()
        gate.unlock(withValue: true)
    }
}
