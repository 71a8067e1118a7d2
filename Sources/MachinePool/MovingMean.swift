/// An exponentially weighted mean.
package struct MovingMean: Sendable {
    package let weight: Double
    package private(set) var value: Double?

    package init(weight: Double) { self.weight = weight }

    package mutating func add(_ sample: Double) {
        value = value.map { $0 + (sample - $0) * weight } ?? sample
    }
}

/// Machines in the order in which they became ready.
struct BirthOrder: Sendable {
    private var items: [MachineRef] = []
    private var head = 0

    mutating func append(_ machine: MachineRef) { items.append(machine) }

    var first: MachineRef? { head < items.count ? items[head] : nil }

    /// Drops machines from the old end for which `isOver` holds.
    mutating func forget(while isOver: (MachineRef) -> Bool) {
        while head < items.count, isOver(items[head]) { head += 1 }
        if head > 64, head * 2 > items.count {
            items.removeFirst(head)
            head = 0
        }
    }
}
