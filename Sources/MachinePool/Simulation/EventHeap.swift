/// Future events by time; events of the same time come out in the order in which they went in.
struct EventHeap<Event> {
    private var items: [(time: PoolTime, order: UInt64, event: Event)] = []
    private var order: UInt64 = 0

    var nextTime: PoolTime? { items.first?.time }

    mutating func push(_ event: Event, at time: PoolTime) {
        order += 1
        items.append((time, order, event))
        var child = items.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard precedes(child, parent) else { return }
            items.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> (time: PoolTime, event: Event)? {
        guard let first = items.first else { return nil }
        let last = items.removeLast()
        guard !items.isEmpty else { return (first.time, first.event) }
        items[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < items.count && precedes(child, least) {
                least = child
            }
            if least == parent { return (first.time, first.event) }
            items.swapAt(parent, least)
            parent = least
        }
    }

    private func precedes(_ left: Int, _ right: Int) -> Bool {
        let (a, b) = (items[left], items[right])
        return a.time != b.time ? a.time < b.time : a.order < b.order
    }
}
