import Synchronization

/// Slots prepared ahead of need. It has no thread of its own: whoever has time calls `refill`.
package final class SlotPool: Sendable {
    private struct Contents: Sendable {
        var state: SlotPoolState
        var idle: [SlotNumber: Slot] = [:]
    }

    private let contents: Mutex<Contents>
    private let make: @Sendable (SlotNumber) throws(HostNetworkError) -> Slot

    /// Keeps `target` slots ready, each with a link to `uplink` if there is one.
    package init(target: Int, uplink: Uplink?) {
        contents = Mutex(Contents(state: SlotPoolState(target: target)))
        make = { number throws(HostNetworkError) in try Slot.make(number, uplink: uplink) }
    }

    /// A prepared slot, without blocking; nil when there is none.
    package func takeReady() -> Slot? {
        contents.withLock { contents in
            contents.state.take(at: .now).flatMap { contents.idle.removeValue(forKey: $0) }
        }
    }

    /// A prepared slot, or one made now. Blocks for some milliseconds in that case.
    package func take() throws(HostNetworkError) -> Slot {
        if let slot = takeReady() { return slot }
        let number = contents.withLock { $0.state.makeForUse() }
        do {
            return try make(number)
        } catch {
            contents.withLock { $0.state.failed(number) }
            throw error
        }
    }

    /// Prepares slots until enough are ready. Blocks: call it off the request path, after a `take` and now and then.
    package func refill() throws(HostNetworkError) {
        while let number = contents.withLock({ $0.state.makeAhead(at: .now) }) {
            do {
                let slot = try make(number)
                contents.withLock { contents in
                    contents.idle[number] = slot
                    contents.state.made(number)
                }
            } catch {
                contents.withLock { $0.state.failed(number) }
                throw error
            }
        }
    }

    /// Takes back a slot whose VMM has ended and whose sockets are closed. Blocks for well under a millisecond. Returns
    /// whether it is kept for another guest; otherwise it goes with its last reference.
    @discardableResult
    package func giveBack(_ slot: Slot) -> Bool {
        let reusable = slot.isReusable()
        return contents.withLock { contents in
            let kept = contents.state.giveBack(slot.number, reusable: reusable, at: .now)
            if kept { contents.idle[slot.number] = slot }
            return kept
        }
    }

    package var readyCount: Int { contents.withLock { $0.state.readyCount } }
    package var usedCount: Int { contents.withLock { $0.state.usedCount } }
}
