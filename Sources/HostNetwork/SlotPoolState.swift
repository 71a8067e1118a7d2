/// Which slots exist and which are ready: decides, and leaves making and dropping them to `SlotPool`.
package struct SlotPoolState: Sendable {
    /// A returned slot rests this long, so that nothing late from its last guest meets the next one.
    package static let rest = Duration.seconds(3)

    package let target: Int
    private var ready: Set<SlotNumber> = []
    private var used: Set<SlotNumber> = []
    private var making: Set<SlotNumber> = []
    private var resting: [(number: SlotNumber, until: ContinuousClock.Instant)] = []

    /// Keeps `target` slots ready.
    package init(target: Int) {
        self.target = target
    }

    /// The lowest slot that is ready, now in use; nil when there is none.
    package mutating func take(at now: ContinuousClock.Instant) -> SlotNumber? {
        wake(at: now)
        guard let number = ready.min() else { return nil }
        ready.remove(number)
        used.insert(number)
        return number
    }

    /// The number for a slot that is made for its user at once, now in use.
    package mutating func makeForUse() -> SlotNumber {
        let number = lowestFree
        used.insert(number)
        return number
    }

    /// The number of a slot to prepare now; nil when enough are ready, resting or being made. Answer with `made` or
    /// `failed`.
    package mutating func makeAhead(at now: ContinuousClock.Instant) -> SlotNumber? {
        wake(at: now)
        guard ready.count + making.count + resting.count < target else { return nil }
        let number = lowestFree
        making.insert(number)
        return number
    }

    package mutating func made(_ number: SlotNumber) {
        if making.remove(number) != nil { ready.insert(number) }
    }

    package mutating func failed(_ number: SlotNumber) {
        making.remove(number)
        used.remove(number)
    }

    /// Whether a slot that its user gives back is kept for the next; otherwise it is dropped and its number is free.
    package mutating func giveBack(_ number: SlotNumber, reusable: Bool, at now: ContinuousClock.Instant) -> Bool {
        guard used.remove(number) != nil, reusable else { return false }
        wake(at: now)
        guard ready.count + making.count + resting.count < target else { return false }
        resting.append((number, now + Self.rest))
        return true
    }

    private mutating func wake(at now: ContinuousClock.Instant) {
        for slot in resting where slot.until <= now { ready.insert(slot.number) }
        resting.removeAll { $0.until <= now }
    }

    private var lowestFree: SlotNumber {
        var value = 0
        while isTaken(SlotNumber(value)) { value += 1 }
        return SlotNumber(value)
    }

    private func isTaken(_ number: SlotNumber) -> Bool {
        ready.contains(number) || used.contains(number) || making.contains(number)
            || resting.contains { $0.number == number }
    }

    package var readyCount: Int { ready.count }
    package var usedCount: Int { used.count }
}
